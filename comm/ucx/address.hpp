// SPDX-License-Identifier: Apache-2.0
// What travels between processes besides data: worker addresses and region keys, in an envelope,
// because UCX itself trusts the bytes it is given.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/ucx/process_watch.hpp"
#include "kernels/core/bytes.hpp"
#include "kernels/core/device.hpp"

namespace sluice::comm::ucx {

// Detects damage and mix-ups; it is no defence against forgery.
struct PeerAddress {
  ProcessIdentity process;
  std::uint64_t instance = 0;      // of the transport: tells it from those before it in its place
  bool has_shared_memory = false;  // ways by which this peer can write and be written to
  bool has_rdma = false;
  std::vector<std::byte> worker;   // UCX's worker address
  std::vector<std::byte> control;  // of the worker for messages; empty: the same
};

// Whether two processes may write into each other's memory without its owner's help. True where it
// cannot be told.
bool may_write_alone(const PeerAddress& one, const PeerAddress& other);

std::vector<std::byte> seal_address(const PeerAddress& address);
Result<PeerAddress> open_address(Bytes sealed);

struct RegionKey {
  std::uint64_t address = 0;  // in the owner's address space
  std::uint64_t bytes = 0;
  std::uint32_t region = 0;  // the owner's id of it
  MemoryKind kind = MemoryKind::kHost;
  std::vector<std::byte> packed;  // UCX's remote key
};

std::vector<std::byte> seal_region_key(const RegionKey& key);
Result<RegionKey> open_region_key(Bytes sealed);

}  // namespace sluice::comm::ucx
