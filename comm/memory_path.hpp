// SPDX-License-Identifier: Apache-2.0
// Whether a network reads and writes a GPU's memory itself, or by way of pinned host memory: a pure
// decision from what was found on the machine.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::comm {

struct MemoryFacts {
  bool is_built_with_cuda = false;
  int cuda_devices = 0;
  bool has_cuda_transports = false;  // this UCX lists cuda_copy and the like
  bool is_type_seen = false;         // asked about device memory, this UCX does not say "host"
  bool has_cuda_ipc = false;
  bool is_one_host = false;  // all processes of the cluster share this host
  bool has_rdma = false;     // UCX lists an RDMA device, and a port of it is active
  bool has_peermem = false;  // the kernel module nvidia_peermem
  bool has_dmabuf = false;   // the driver exports device memory, and this UCX takes it
  bool has_gdr_copy = false;
};

enum class MemoryPath : std::uint8_t {
  kDirect,        // device memory is registered
  kPinnedBounce,  // pinned host memory is, and copied from and to the device
  kHostOnly,      // no device memory in play
};

struct MemoryDecision {
  MemoryPath path = MemoryPath::kHostOnly;
  std::string why;  // one sentence for a person
};

MemoryDecision decide_memory_path(const MemoryFacts& facts);

}  // namespace sluice::comm
