// SPDX-License-Identifier: Apache-2.0
// What facts mean for serving: pure functions from facts to findings. doctor.cpp gathers the facts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/cuda_probe.hpp"
#include "launch/finding.hpp"
#include "launch/machine_facts.hpp"

namespace sluice::launch {

std::vector<Finding> check_cpu(const CpuFacts& cpu, int cores);

struct MemoryFacts {
  std::optional<std::uint64_t> total_bytes = {};
  std::optional<std::uint64_t> available_bytes = {};
  std::optional<std::uint64_t> cgroup_max_bytes = {};
  std::optional<std::uint64_t> shared_bytes = {};  // size of /dev/shm
  std::optional<std::uint64_t> lock_bytes = {};    // RLIMIT_MEMLOCK; absent: unlimited
  std::string shared_pages = {};                   // of shmem_enabled: "never"; empty: not known
};
std::vector<Finding> check_memory(const MemoryFacts& memory);

std::vector<Finding> check_cuda(const CudaProbe& cuda, bool built_with_cuda);

struct InfinibandPort {
  std::string name = {};   // "mlx5_0 port 1"
  std::string state = {};  // "4: ACTIVE"
  std::string layer = {};  // "InfiniBand" or "Ethernet" (RoCE)
  std::string rate = {};   // "100 Gb/sec (4X EDR)"
};

struct UcxFacts {
  bool is_built_in = false;
  std::string failure = {};           // why UCX does not start; empty when it does
  std::string version = {};           // of the loaded library
  std::string compiled_version = {};  // of the headers
  bool is_mismatched = false;         // these two do not go together
  std::string path = {};
  std::vector<std::string> copies = {};     // libucp files mapped into this process
  std::vector<std::string> resources = {};  // "tcp/eth0"
  bool has_shared_memory = false;
  bool has_cuda = false;
};

struct NetworkFacts {
  UcxFacts ucx = {};
  std::vector<InfinibandPort> infiniband = {};
  bool has_peermem = false;  // the kernel module nvidia_peermem
  bool has_gdrdrv = false;   // the kernel module gdrdrv
};
std::vector<Finding> check_network(const NetworkFacts& network, const CudaProbe& cuda,
                                   const MemoryFacts& memory);

struct LaunchFacts {
  std::string mpirun = {};       // path; empty when there is none
  std::string mpi_version = {};  // empty when not recognised
  bool has_srun = false;
};
std::vector<Finding> check_launch(const LaunchFacts& launch);

struct ModelFacts {
  std::string path = {};
  bool is_there = false;
  std::string sha256 = {};           // of the file
  std::string sha256_expected = {};  // empty: not known
};
std::vector<Finding> check_model(const ModelFacts& model);

}  // namespace sluice::launch
