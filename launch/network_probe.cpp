// SPDX-License-Identifier: Apache-2.0
#include "launch/network_probe.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "launch/machine_facts.hpp"
#include "launch/ucx_probe.hpp"

namespace sluice::launch {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string first_line(const fs::path& path) {
  const std::string text = read_text(path);
  return text.substr(0, text.find('\n'));
}

std::vector<InfinibandPort> infiniband_ports() {
  std::vector<InfinibandPort> found;
  std::error_code error;
  for (const auto& device : fs::directory_iterator("/sys/class/infiniband", error)) {
    for (const auto& port : fs::directory_iterator(device.path() / "ports", error)) {
      found.push_back(
          {device.path().filename().string() + " port " + port.path().filename().string(),
           first_line(port.path() / "state"), first_line(port.path() / "link_layer"),
           first_line(port.path() / "rate")});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const InfinibandPort& a, const InfinibandPort& b) { return a.name < b.name; });
  return found;
}

}  // namespace

NetworkFacts probe_network() {
  NetworkFacts facts;
  facts.ucx = probe_ucx();
  facts.infiniband = infiniband_ports();
  const std::string modules = read_text("/proc/modules");
  facts.has_peermem = has_module(modules, "nvidia_peermem") || has_module(modules, "nv_peer_mem");
  facts.has_gdrdrv = has_module(modules, "gdrdrv");
  return facts;
}

}  // namespace sluice::launch
