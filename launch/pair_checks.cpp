// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace sluice::launch {
namespace {

constexpr int kSlowStatus = 3;
// A put of 16 MiB that gives less than this share of the card's rate has a reason worth finding.
constexpr double kRateShareWanted = 0.5;

bool starts_with_any(const std::string& name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

PathKind lane_kind(const std::string& lane) {
  if (starts_with_any(lane, {"rc_", "dc_", "ud_", "rc/", "srd", "gga_"})) return PathKind::kRdma;
  if (starts_with_any(lane,
                      {"posix/", "sysv/", "xpmem/", "cma/", "knem/", "cuda_ipc/", "loopback"})) {
    return PathKind::kSharedMemory;
  }
  return lane.starts_with("tcp/") ? PathKind::kTcp : PathKind::kNone;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string join_ports(const SideFacts& side) {
  std::vector<std::string> names;
  for (const ActivePort& port : side.rdma_ports) names.push_back(side.name + " " + port.name);
  return join(names);
}

std::string size_name(std::uint64_t bytes) {
  if (bytes >= 1 << 20) return fmt::format("{} MiB", bytes >> 20);
  return fmt::format("{} KiB", bytes >> 10);
}

// Memory-like rates in bytes, links in bits, as people know them.
std::string rate_name(double bytes_per_s, PathKind kind) {
  if (kind == PathKind::kSharedMemory) return fmt::format("{:.2f} GB/s", bytes_per_s / 1e9);
  const double bits = bytes_per_s * 8;
  if (bits < 1e9) return fmt::format("{:.0f} Mbit/s", bits / 1e6);
  return fmt::format("{:.2f} Gbit/s ({:.2f} GB/s)", bits / 1e9, bytes_per_s / 1e9);
}

// One direction, seen from its sender.
struct Way {
  const SideFacts& from;
  const SideFacts& to;
  const DirectionFacts& facts;
  std::string group;
  PathKind kind;

  Finding make(std::string name, Mark mark, std::string found, std::string lost = {},
               std::string remedy = {}) const {
    return {group, std::move(name), mark, std::move(found), std::move(lost), std::move(remedy)};
  }
};

bool is_one_place(const Way& way) {
  return !way.from.place.empty() && way.from.place == way.to.place;
}

// How to get a better transport than the one in use: first what the user has set.
std::string transport_remedy(const Way& way, const std::string& otherwise) {
  for (const SideFacts* side : {&way.from, &way.to}) {
    if (!side->transports_setting.empty()) {
      return fmt::format("unset UCX_TLS, which is \"{}\" on {}", side->transports_setting,
                         side->name);
    }
  }
  return otherwise;
}

Finding check_path(const Way& way) {
  const std::string lanes = join(way.facts.lanes);
  const std::string found = fmt::format("{} ({})", path_kind_name(way.kind), lanes);
  if (way.kind == PathKind::kNone) {
    return way.make("path", Mark::kBroken, lanes.empty() ? "none" : "unknown: " + lanes,
                    "everything: no KV can be handed over", "unset UCX_TLS and UCX_NET_DEVICES");
  }
  if (way.kind != PathKind::kTcp) return way.make("path", Mark::kOk, found);
  if (is_one_place(way) && way.from.has_shared_memory && way.to.has_shared_memory) {
    return way.make(
        "path", Mark::kSlow, found + ", although both processes are on one host with shared memory",
        "shared memory, which gives about ten times as much, without the network stack",
        transport_remedy(way, "a UCX with its posix and sysv transports (ucx_info -d)"));
  }
  if (!way.from.rdma_ports.empty() && !way.to.rdma_ports.empty()) {
    return way.make("path", Mark::kSlow,
                    fmt::format("{}, although RDMA is active on both hosts: {}, {}", found,
                                join_ports(way.from), join_ports(way.to)),
                    "RDMA: most of the cards' rate, and processors that need not copy",
                    transport_remedy(way,
                                     "a UCX with verbs on both hosts (ucx_info -d lists rc_mlx5 or "
                                     "rc_verbs), ulimit -l unlimited, and ports on one fabric"));
  }
  if (!way.from.rdma_ports.empty() || !way.to.rdma_ports.empty()) {
    const SideFacts& has = way.from.rdma_ports.empty() ? way.to : way.from;
    const SideFacts& lacks = way.from.rdma_ports.empty() ? way.from : way.to;
    return way.make("path", Mark::kNote, found,
                    fmt::format("RDMA: {} has it, {} has no active port", has.name, lacks.name),
                    "an active RDMA port on " + lacks.name);
  }
  return way.make("path", Mark::kOk, found);
}

// Devices of the lanes that carry RDMA: "mlx5_0:1", each once.
std::vector<std::string> rdma_devices(const Way& way) {
  std::vector<std::string> devices;
  for (const std::string& lane : way.facts.lanes) {
    if (lane_kind(lane) != PathKind::kRdma) continue;
    std::string device = lane.substr(lane.find('/') + 1);
    if (std::find(devices.begin(), devices.end(), device) == devices.end()) {
      devices.push_back(std::move(device));
    }
  }
  return devices;
}

void check_rails(const Way& way, std::vector<Finding>& findings) {
  if (way.kind != PathKind::kRdma) return;
  const std::vector<std::string> devices = rdma_devices(way);
  const std::size_t ports = std::min(way.from.rdma_ports.size(), way.to.rdma_ports.size());
  if (devices.size() >= 2 || ports < 2) {
    findings.push_back(way.make("rails", Mark::kOk, join(devices)));
    return;
  }
  findings.push_back(way.make(
      "rails", Mark::kSlow,
      fmt::format("one ({}), although both hosts have {} active ports", join(devices), ports),
      "half of the rate or more: the other cards are idle",
      "UCX_MAX_RMA_RAILS=2 with UCX 1.16 or newer, and no UCX_NET_DEVICES that names one"));
}

Finding check_memory_path(const Way& way) {
  if (way.from.device.cuda_devices == 0 && way.to.device.cuda_devices == 0) {
    return way.make("memory", Mark::kOk, "host");
  }
  std::string why;
  for (const SideFacts* side : {&way.from, &way.to}) {
    if (side->device.cuda_devices == 0) continue;
    comm::MemoryFacts facts = side->device;
    facts.is_one_host = is_one_place(way);
    const comm::MemoryDecision decision = comm::decide_memory_path(facts);
    why = decision.why;
    if (decision.path == comm::MemoryPath::kDirect) continue;
    const bool is_unused = decision.path == comm::MemoryPath::kHostOnly;
    return way.make(
        "memory", Mark::kSlow,
        fmt::format("{}: {} has a GPU, but {}",
                    is_unused ? "host" : "device, through pinned host memory", side->name, why),
        is_unused ? "the GPU" : "a copy more for every byte, and the host's memory for it",
        "nvidia_peermem (modprobe) or dma-buf (an open driver, UCX 1.14 or newer), a "
        "UCX with CUDA, and the preset cuda of this build");
  }
  return way.make("memory", Mark::kOk, "device, direct: " + why);
}

void check_rates(const Way& way, std::vector<Finding>& findings) {
  double port_gbit_per_s = 0;
  for (const ActivePort& port : way.from.rdma_ports) {
    port_gbit_per_s = std::max(port_gbit_per_s, port.gbit_per_s);
  }
  for (const PutRate& put : way.facts.puts) {
    const std::string name = "put, " + size_name(put.block_bytes);
    const std::string found = rate_name(put.bytes_per_s, way.kind);
    const bool is_low = way.kind == PathKind::kRdma && put.block_bytes >= 16 << 20 &&
                        put.bytes_per_s * 8 < kRateShareWanted * port_gbit_per_s * 1e9;
    if (is_low) {
      findings.push_back(way.make(
          name, Mark::kSlow, fmt::format("{} of a port of {:.0f} Gbit/s", found, port_gbit_per_s),
          "the rest of the card's rate",
          "the card's slot and width (lspci -vv), its NUMA node, flow control, and other traffic"));
    } else {
      findings.push_back(way.make(name, Mark::kOk, found));
    }
  }
  findings.push_back(way.make("message", Mark::kOk,
                              fmt::format("{:.1f} us there and back", way.facts.round_trip_us)));
}

}  // namespace

PathKind path_kind(std::span<const std::string> lanes) {
  PathKind best = PathKind::kNone;
  for (const std::string& lane : lanes) best = std::max(best, lane_kind(lane));
  return best;
}

const char* path_kind_name(PathKind kind) {
  switch (kind) {
    case PathKind::kNone:
      return "none";
    case PathKind::kTcp:
      return "TCP";
    case PathKind::kSharedMemory:
      return "shared memory";
    case PathKind::kRdma:
      return "RDMA";
  }
  return "unknown";
}

std::vector<Finding> check_pair(const PairFacts& pair) {
  std::vector<Finding> findings;
  const auto look = [&](const SideFacts& from, const SideFacts& to, const DirectionFacts& facts,
                        const char* format) {
    const Way way{from, to, facts, fmt::format(fmt::runtime(format), from.name, to.name),
                  path_kind(facts.lanes)};
    findings.push_back(check_path(way));
    check_rails(way, findings);
    findings.push_back(check_memory_path(way));
    check_rates(way, findings);
  };
  look(pair.a, pair.b, pair.a_to_b, "A {} -> B {}");
  look(pair.b, pair.a, pair.b_to_a, "B {} -> A {}");
  return findings;
}

int pair_exit_status(std::span<const Finding> findings) {
  if (exit_status(findings) != 0) return exit_status(findings);
  const bool is_slow = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.mark == Mark::kSlow;
  });
  return is_slow ? kSlowStatus : 0;
}

std::string pair_summary(const PairFacts& pair, std::span<const Finding> findings) {
  const std::string names = pair.a.name + " and " + pair.b.name;
  const int status = pair_exit_status(findings);
  if (status == 0) {
    return fmt::format("{} can serve together, over {}.", names,
                       path_kind_name(path_kind(pair.a_to_b.lanes)));
  }
  if (status == kSlowStatus) {
    return fmt::format("WARNING: {} can serve together, but over a SLOW path: see SLOW above.",
                       names);
  }
  return fmt::format("{} cannot serve together.", names);
}

}  // namespace sluice::launch
