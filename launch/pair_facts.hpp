// SPDX-License-Identifier: Apache-2.0
// What `sluice doctor --pair` learns about two hosts and what lies between them: plain facts, which
// pair_checks judges.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/memory_path.hpp"
#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"

namespace sluice::launch {

// A port of a network card that can carry traffic now.
struct ActivePort {
  std::string name = {};    // "mlx5_0 port 1"
  double gbit_per_s = 0.0;  // 0: not known
};

struct SideFacts {
  std::string name = {};  // as on the command line
  std::string host = {};  // its own name for itself
  // Running kernel, network and IPC namespace: two processes with the same can share memory.
  std::string place = {};
  bool has_shared_memory = false;           // a /dev/shm that can be written
  std::string transports_setting = {};      // UCX_TLS where it is set
  std::vector<std::string> resources = {};  // of UCX: "tcp/eth0"
  std::vector<ActivePort> rdma_ports = {};
  comm::MemoryFacts device = {};  // is_one_host is the judge's to say
};

struct PutRate {
  std::uint64_t block_bytes = 0;
  double bytes_per_s = 0.0;
};

// From one side to the other.
struct DirectionFacts {
  std::vector<std::string> lanes = {};  // Transport::lanes()
  std::vector<PutRate> puts = {};       // by rising size; none where the link is too slow for it
  double round_trip_us = 0.0;           // of a message and its answer
};

struct PairFacts {
  SideFacts a = {};
  SideFacts b = {};
  DirectionFacts a_to_b = {};
  DirectionFacts b_to_a = {};
};

// For the other process; kCorrupt for bytes that are none.
void put_side(ByteWriter& writer, const SideFacts& side);
Result<SideFacts> get_side(ByteReader& reader);
std::vector<std::byte> pack_direction(const DirectionFacts& direction);
Result<DirectionFacts> unpack_direction(Bytes bytes);

}  // namespace sluice::launch
