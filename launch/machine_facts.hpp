// SPDX-License-Identifier: Apache-2.0
// Facts about a machine, read from the text that its kernel and its programs give. Pure functions:
// what cannot be read is absent, never an error, since doctor reports on any machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::launch {

struct CpuFacts {
  std::string model = "unknown";
  bool avx2 = false;
  bool avx512 = false;  // F, BW, DQ and VL, which the kernels ask for together
  bool avx512_bf16 = false;
  bool amx_bf16 = false;
};

// `cpuinfo`: /proc/cpuinfo; the first processor stands for all.
CpuFacts parse_cpu(std::string_view cpuinfo);

// Bytes of a "Name:   123 kB" line, as /proc/meminfo has them.
std::optional<std::uint64_t> parse_meminfo(std::string_view meminfo, std::string_view name);

// The limit in bytes of cgroup v2's memory.max; absent for "max" and for other text.
std::optional<std::uint64_t> parse_memory_max(std::string_view text);

// The word in brackets of "always [madvise] never"; empty when there is none.
std::string parse_choice(std::string_view text);

// True when /proc/modules has a loaded module of that name.
bool has_module(std::string_view modules, std::string_view name);

// "Open MPI 4.1.4" from the first line of `mpirun --version`; empty when it says neither that nor
// an Intel MPI or MPICH (Hydra) version.
std::string parse_mpi_version(std::string_view text);

// Gbit/s of a port's "100 Gb/sec (4X EDR)"; 0 for other text.
double parse_port_rate(std::string_view text);

}  // namespace sluice::launch
