// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/lanes.hpp"

#include <algorithm>
#include <array>

namespace sluice::comm::ucx {

std::vector<std::string> parse_lanes(std::string_view printed) {
  // "#   lane[0]:  6:posix/memory.0 md[3]  -> md[3]/posix/sysdev[255] am am_bw#0".
  std::vector<std::string> names;
  for (std::size_t at = printed.find("lane["); at != std::string_view::npos;
       at = printed.find("lane[", at + 1)) {
    const std::string_view line = printed.substr(at, printed.find('\n', at) - at);
    const std::size_t slash = line.find('/');
    const std::size_t colon = line.rfind(':', slash);
    if (slash == std::string_view::npos || colon == std::string_view::npos) continue;
    const std::size_t end = std::min(line.find_first_of(" .", slash), line.size());
    names.emplace_back(line.substr(colon + 1, end - colon - 1));
  }
  return names;
}

bool lands_by_itself(std::span<const std::string> lanes) {
  // Those with puts of every size; cma and cuda_ipc, which copy large pieces only, come with one.
  static constexpr std::array<std::string_view, 8> kOneSided{"self/", "posix/", "sysv/", "xpmem/",
                                                             "rc_",   "dc_",    "gga_",  "srd"};
  return std::any_of(lanes.begin(), lanes.end(), [](const std::string& lane) {
    return std::any_of(kOneSided.begin(), kOneSided.end(),
                       [&](std::string_view prefix) { return lane.starts_with(prefix); });
  });
}

WayKinds way_kinds(std::span<const std::string> resources) {
  WayKinds kinds;
  for (const std::string& resource : resources) {
    kinds.shared_memory |= resource.starts_with("posix/") || resource.starts_with("sysv/") ||
                           resource.starts_with("xpmem/");
    kinds.rdma |= resource.starts_with("rc_") || resource.starts_with("dc_") ||
                  resource.starts_with("gga_") || resource.starts_with("srd");
  }
  return kinds;
}

std::string control_transports(std::span<const std::string> resources) {
  static constexpr std::array<std::string_view, 7> kCarriers{"tcp", "rc_",  "dc_", "ud_",
                                                             "srd", "gga_", "self"};
  std::vector<std::string> names;
  bool reaches_others = false;
  for (const std::string& resource : resources) {
    const bool carries = std::any_of(kCarriers.begin(), kCarriers.end(),
                                     [&](auto prefix) { return resource.starts_with(prefix); });
    std::string name = resource.substr(0, resource.find('/'));
    if (!carries || std::find(names.begin(), names.end(), name) != names.end()) continue;
    reaches_others |= name != "self";
    names.push_back(std::move(name));
  }
  std::string joined;
  if (!reaches_others) return joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ",") + name;
  return joined;
}

}  // namespace sluice::comm::ucx
