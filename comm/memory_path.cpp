// SPDX-License-Identifier: Apache-2.0
#include "comm/memory_path.hpp"

namespace sluice::comm {

MemoryDecision decide_memory_path(const MemoryFacts& facts) {
  if (!facts.is_built_with_cuda) return {MemoryPath::kHostOnly, "this build has no CUDA"};
  if (facts.cuda_devices == 0) return {MemoryPath::kHostOnly, "there is no CUDA device"};
  if (!facts.has_cuda_transports) {
    return {MemoryPath::kPinnedBounce,
            "this UCX was built without CUDA: it moves host memory only"};
  }
  // It would read device addresses with the CPU, and end the process (NIXL refuses this too).
  if (!facts.is_type_seen) {
    return {MemoryPath::kPinnedBounce, "this UCX takes device memory for host memory"};
  }
  if (facts.is_one_host && facts.has_cuda_ipc) {
    return {MemoryPath::kDirect, "all processes are on one host, and GPUs copy by cuda_ipc"};
  }
  if (!facts.has_rdma) {
    return {MemoryPath::kPinnedBounce, "no RDMA port is active, and TCP carries host memory only"};
  }
  if (!facts.has_peermem && !facts.has_dmabuf) {
    return {MemoryPath::kPinnedBounce,
            "the NIC cannot reach the GPU's memory: neither nvidia_peermem nor dma-buf"};
  }
  const std::string how = facts.has_dmabuf ? "dma-buf" : "nvidia_peermem";
  if (facts.has_gdr_copy) return {MemoryPath::kDirect, "GPUDirect RDMA by " + how};
  return {MemoryPath::kDirect,
          "GPUDirect RDMA by " + how + "; small pieces are slow without gdr_copy"};
}

}  // namespace sluice::comm
