// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/process_memory.hpp"

#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

namespace sluice::runtime {
namespace {

Result<std::size_t> field(std::string_view status, std::string_view name) {
  const Error missing = make_error(ErrorCode::kCorrupt,
                                   "the process status has no readable field " + std::string(name));
  std::string_view rest = status;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.substr(0, name.size()) != name || line.substr(name.size(), 1) != ":") continue;
    line.remove_prefix(name.size() + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    std::size_t kib = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), kib);
    const bool has_unit = std::string_view(end, line.data() + line.size() - end) == " kB";
    if (error != std::errc() || !has_unit || kib > (std::size_t{1} << 50)) return missing;
    return kib * 1024;
  }
  return missing;
}

}  // namespace

Result<ProcessMemory> parse_process_memory(std::string_view status) {
  ProcessMemory memory;
  memory.peak_bytes = SLUICE_TRY(field(status, "VmHWM"));
  memory.resident_bytes = SLUICE_TRY(field(status, "VmRSS"));
  memory.anonymous_bytes = SLUICE_TRY(field(status, "RssAnon"));
  memory.file_bytes = SLUICE_TRY(field(status, "RssFile"));
  memory.shared_bytes = SLUICE_TRY(field(status, "RssShmem"));
  return memory;
}

Result<ProcessMemory> read_process_memory() {
  std::ifstream file("/proc/self/status");
  if (!file) return make_error(ErrorCode::kUnsupported, "this system has no /proc/self/status");
  const std::string status((std::istreambuf_iterator<char>(file)), {});
  return parse_process_memory(status);
}

}  // namespace sluice::runtime
