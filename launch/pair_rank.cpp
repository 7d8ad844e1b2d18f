// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_rank.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>

#include "comm/bootstrap/bootstrap.hpp"
#include "comm/registry.hpp"
#include "launch/cuda_probe.hpp"
#include "launch/machine_facts.hpp"
#include "launch/network_probe.hpp"
#include "launch/pair_checks.hpp"
#include "launch/pair_probe.hpp"
#include "launch/pair_report.hpp"

namespace sluice::launch {
namespace {

namespace fs = std::filesystem;

std::string link_target(const char* path) {
  std::error_code error;
  return fs::read_symlink(path, error).string();
}

bool is_active(const InfinibandPort& port) {
  return port.state.find("ACTIVE") != std::string::npos;
}

std::string own_place() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  if (boot.empty()) return {};
  return boot + " " + link_target("/proc/self/ns/net") + " " + link_target("/proc/self/ns/ipc");
}

comm::MemoryFacts device_facts(const NetworkFacts& network, const CudaProbe& cuda) {
  const std::vector<std::string>& resources = network.ucx.resources;
  const auto has_resource = [&](const char* prefix) {
    return std::any_of(resources.begin(), resources.end(),
                       [&](const std::string& name) { return name.starts_with(prefix); });
  };
  comm::MemoryFacts facts;
  facts.is_built_with_cuda = SLUICE_BUILT_WITH_CUDA;
  facts.cuda_devices = static_cast<int>(cuda.devices.size());
  facts.has_cuda_transports = network.ucx.has_cuda;
  facts.is_type_seen = network.ucx.has_cuda;
  facts.has_cuda_ipc = has_resource("cuda_ipc/");
  facts.has_rdma = std::any_of(network.infiniband.begin(), network.infiniband.end(), is_active) &&
                   (has_resource("rc_") || has_resource("dc_"));
  facts.has_peermem = network.has_peermem;
  facts.has_dmabuf = !cuda.devices.empty() && cuda.devices.front().dmabuf;
  facts.has_gdr_copy = has_resource("gdr_copy/");
  return facts;
}

SideFacts own_facts(const std::string& name) {
  SideFacts side;
  side.name = name;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) side.host = host.data();
  side.place = own_place();
  side.has_shared_memory = ::access("/dev/shm", W_OK) == 0;
  if (const char* const setting = std::getenv("UCX_TLS"); setting != nullptr) {
    side.transports_setting = setting;
  }
  const NetworkFacts network = probe_network();
  side.resources = network.ucx.resources;
  for (const InfinibandPort& port : network.infiniband) {
    if (is_active(port)) side.rdma_ports.push_back({port.name, parse_port_rate(port.rate)});
  }
  side.device = device_facts(network, probe_cuda());
  return side;
}

// What A prints; empty on B.
Result<std::string> report(const PairOptions& options, comm::Bootstrap& bootstrap, int* status) {
  if (bootstrap.ranks() != 2) {
    return make_error(ErrorCode::kInvalidArgument, "a pair is two processes");
  }
  const bool is_a = bootstrap.rank() == kSideA;
  auto transport = SLUICE_TRY(
      comm::open_transport(options.transport, comm::TransportOptions{.self = bootstrap.rank()}));
  PairProbe probe = SLUICE_TRY(PairProbe::open(
      std::move(transport), own_facts(is_a ? options.host_a : options.host_b), PairPatience{}));
  const std::vector<std::byte> mine = SLUICE_TRY(probe.hello());
  const auto hellos = SLUICE_TRY(bootstrap.exchange(mine));
  if (!is_a) {
    SLUICE_TRY(probe.run_b(hellos[kSideA]));
    return std::string();
  }
  const PairFacts pair = SLUICE_TRY(probe.run_a(hellos[kSideB]));
  const std::vector<Finding> findings = check_pair(pair);
  std::ostringstream text;
  print_finding_list(text, findings);
  text << '\n' << pair_summary(pair, findings) << '\n';
  *status = pair_exit_status(findings);
  return text.str();
}

}  // namespace

int run_pair_rank(const PairOptions& options, std::ostream& out) {
  auto bootstrap = comm::open_mpi_bootstrap();
  if (!bootstrap) {
    std::fprintf(stderr, "sluice: %s\n", bootstrap.error().message.c_str());
    return 1;
  }
  int status = 0;
  const Result<std::string> text = report(options, **bootstrap, &status);
  if (!text) {
    std::fprintf(stderr, "sluice: %s\n", text.error().message.c_str());
    // Without MPI's end, which would wait for the other process: mpirun then ends it.
    (void)bootstrap->release();
    return 1;
  }
  if (!text->empty()) out << seal_pair_report(*text, status) << std::flush;
  return 0;
}

}  // namespace sluice::launch
