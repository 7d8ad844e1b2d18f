// SPDX-License-Identifier: Apache-2.0
#include "launch/machine_facts.hpp"

#include <gtest/gtest.h>

namespace sluice::launch {
namespace {

TEST(ParseCpu, FeaturesNeedAllTheirFlags) {
  const CpuFacts cpu = parse_cpu(
      "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\n"
      "flags\t\t: fpu avx2 fma avx512f avx512bw avx512dq avx512vl avx512_bf16 amx_bf16 amx_tile\n"
      "processor\t: 1\nmodel name\t: Another\nflags\t: fpu\n");
  EXPECT_EQ(cpu.model, "Some CPU @ 2.0GHz");
  EXPECT_TRUE(cpu.avx2);
  EXPECT_TRUE(cpu.avx512);
  EXPECT_TRUE(cpu.avx512_bf16);
  EXPECT_TRUE(cpu.amx_bf16);
  const CpuFacts half = parse_cpu("flags : avx2_x fma avx512f avx512bw avx512_bf16 amx_bf16\n");
  EXPECT_FALSE(half.avx2);
  EXPECT_FALSE(half.avx512);
  EXPECT_FALSE(half.avx512_bf16);
  EXPECT_FALSE(half.amx_bf16);
}

TEST(ParseCpu, NothingReadableIsNothing) {
  for (const char* text : {"", "\n\n", "flags", "flags:", ":::"}) {
    EXPECT_EQ(parse_cpu(text).model, "unknown");
    EXPECT_FALSE(parse_cpu(text).avx2);
  }
}

TEST(ParseMeminfo, KilobytesOfTheNamedLine) {
  const char text[] = "MemTotal:       24684084 kB\nMemFree:  7 kB\nHugePages_Total:  3\n";
  EXPECT_EQ(parse_meminfo(text, "MemTotal"), 24684084ULL * 1024);
  EXPECT_EQ(parse_meminfo(text, "MemFree"), 7ULL * 1024);
  EXPECT_EQ(parse_meminfo(text, "HugePages_Total"), std::nullopt);
  EXPECT_EQ(parse_meminfo(text, "Mem"), std::nullopt);
  EXPECT_EQ(parse_meminfo("MemTotal: 99999999999999999999 kB\n", "MemTotal"), std::nullopt);
}

TEST(ParseMemoryMax, NumberOrNoLimit) {
  EXPECT_EQ(parse_memory_max("1073741824\n"), 1ULL << 30);
  EXPECT_EQ(parse_memory_max("max\n"), std::nullopt);
  EXPECT_EQ(parse_memory_max(""), std::nullopt);
}

TEST(HasModule, WholeNamesOnly) {
  const char text[] = "nvidia_peermem 16384 0 - Live 0x0\nib_core 400000 1 nvidia_peermem, Live\n";
  EXPECT_TRUE(has_module(text, "nvidia_peermem"));
  EXPECT_TRUE(has_module(text, "ib_core"));
  EXPECT_FALSE(has_module(text, "nvidia"));
  EXPECT_FALSE(has_module("", "nvidia"));
}

TEST(ParseMpiVersion, KnownLaunchers) {
  EXPECT_EQ(parse_mpi_version("mpirun (Open MPI) 4.1.4\n\nReport bugs to ...\n"), "Open MPI 4.1.4");
  EXPECT_EQ(parse_mpi_version("HYDRA build details:\n    Version:         4.0.2\n"), "MPICH 4.0.2");
  EXPECT_EQ(parse_mpi_version("Intel(R) MPI Library for Linux* OS, Version 2021.8\n"),
            "Intel(R) MPI Library for Linux* OS, Version 2021.8");
  EXPECT_EQ(parse_mpi_version("bash: mpirun: not found\n"), "");
  EXPECT_EQ(parse_mpi_version(""), "");
}

TEST(ParseChoice, IsTheWordInBrackets) {
  EXPECT_EQ(parse_choice("always [madvise] never\n"), "madvise");
  for (const char* text : {"", "always", "[", "]a[", "[open"}) EXPECT_EQ(parse_choice(text), "");
}

TEST(ParsePortRate, ReadsTheKernelsWords) {
  EXPECT_EQ(parse_port_rate("100 Gb/sec (4X EDR)"), 100);
  EXPECT_EQ(parse_port_rate("2.5 Gb/sec (1X SDR)"), 2.5);
  for (const char* text : {"", "fast", "-1 Gb/sec", "x100 Gb/sec", " Gb/sec"}) {
    EXPECT_EQ(parse_port_rate(text), 0) << text;
  }
}

}  // namespace
}  // namespace sluice::launch
