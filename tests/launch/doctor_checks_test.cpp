// SPDX-License-Identifier: Apache-2.0
#include "launch/doctor_checks.hpp"

#include <gtest/gtest.h>

namespace sluice::launch {
namespace {

const Finding* find(const std::vector<Finding>& findings, const std::string& name) {
  for (const Finding& finding : findings) {
    if (finding.name == name) return &finding;
  }
  return nullptr;
}

Mark mark_of(const std::vector<Finding>& findings, const std::string& name) {
  const Finding* const finding = find(findings, name);
  EXPECT_NE(finding, nullptr) << name;
  return finding == nullptr ? Mark::kBroken : finding->mark;
}

// Whatever is missing says what is lost; whatever is broken or missing says how to get it.
void expect_complete(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    EXPECT_FALSE(finding.found.empty()) << finding.name;
    if (finding.mark == Mark::kOk) {
      EXPECT_EQ(finding.lost + finding.remedy, "") << finding.name;
    }
    if (finding.mark < Mark::kMissing) continue;
    EXPECT_FALSE(finding.lost.empty()) << finding.name;
    EXPECT_FALSE(finding.remedy.empty()) << finding.name;
  }
}

const CudaProbe kNoCuda = {.failure = "no driver"};
const CudaProbe kOneGpu = {
    .has_driver = true, .driver_version = 12080, .devices = {{"H100", 80ULL << 30, 9, 0, false}}};
const InfinibandPort kPort = {"mlx5_0 port 1", "4: ACTIVE", "InfiniBand"};

NetworkFacts good_network() {
  NetworkFacts network;
  network.ucx = {.is_built_in = true,
                 .version = "1.13.1",
                 .compiled_version = "1.13",
                 .path = "/usr/lib/libucp.so.0",
                 .copies = {"/usr/lib/libucp.so.0"},
                 .resources = {"posix/memory", "tcp/eth0"},
                 .has_shared_memory = true};
  return network;
}

TEST(CheckCpu, SaysWhatPrefillComputesIn) {
  EXPECT_EQ(find(check_cpu({}, 2), "prefill computes in")->found, "FP32");
  EXPECT_EQ(find(check_cpu({.avx512_bf16 = true}, 2), "prefill computes in")->found,
            "BF16 (AVX512-BF16)");
  EXPECT_EQ(find(check_cpu({.amx_bf16 = true}, 2), "prefill computes in")->found, "BF16 (AMX)");
  EXPECT_EQ(mark_of(check_cpu({}, 2), "AVX2 and FMA"), Mark::kMissing);
  EXPECT_EQ(mark_of(check_cpu({.avx2 = true}, 2), "AVX2 and FMA"), Mark::kOk);
  expect_complete(check_cpu({}, 1));
}

TEST(CheckMemory, ContainerLimitsCount) {
  const std::uint64_t gib = 1ULL << 30;
  const auto plenty = check_memory({.total_bytes = 16 * gib, .shared_bytes = 8 * gib});
  EXPECT_EQ(mark_of(plenty, "memory"), Mark::kOk);
  EXPECT_EQ(mark_of(plenty, "shared memory"), Mark::kOk);
  const auto limited = check_memory(
      {.total_bytes = 16 * gib, .cgroup_max_bytes = 2 * gib, .shared_bytes = 64ULL << 20});
  EXPECT_EQ(mark_of(limited, "memory"), Mark::kNote);
  EXPECT_EQ(find(limited, "memory")->found, "16.0 GiB, limited to 2.0 GiB by the container");
  EXPECT_EQ(mark_of(limited, "shared memory"), Mark::kMissing);
  expect_complete(limited);
  expect_complete(check_memory({}));
  EXPECT_EQ(find(check_memory({}), "large shared pages"), nullptr);
  EXPECT_EQ(mark_of(check_memory({.shared_pages = "advise"}), "large shared pages"), Mark::kOk);
  EXPECT_EQ(mark_of(check_memory({.shared_pages = "never"}), "large shared pages"), Mark::kNote);
}

TEST(CheckCuda, DriverDevicesAndBuild) {
  expect_complete(check_cuda(kNoCuda, false));
  EXPECT_EQ(mark_of(check_cuda(kNoCuda, false), "this build"), Mark::kNote);
  const auto unused = check_cuda(kOneGpu, false);
  expect_complete(unused);
  EXPECT_EQ(find(unused, "CUDA driver")->found, "for CUDA 12.8");
  EXPECT_EQ(find(unused, "GPU 0")->found, "H100, 80.0 GiB, sm_90");
  EXPECT_EQ(mark_of(unused, "this build"), Mark::kMissing);
  EXPECT_EQ(mark_of(check_cuda(kOneGpu, true), "this build"), Mark::kOk);
}

TEST(CheckNetwork, AUcxThatCannotWorkIsBroken) {
  NetworkFacts network = good_network();
  const auto good = check_network(network, kNoCuda, {});
  EXPECT_EQ(mark_of(good, "UCX"), Mark::kOk);
  EXPECT_EQ(find(good, "UCX transports")->found, "posix/memory, tcp/eth0");
  EXPECT_EQ(find(good, "UCX shared memory"), nullptr);
  EXPECT_EQ(exit_status(good), 0);
  network.ucx.copies.push_back("/venv/libucp.so.0");
  const auto twice = check_network(network, kNoCuda, {});
  EXPECT_EQ(mark_of(twice, "UCX"), Mark::kBroken);
  EXPECT_EQ(find(twice, "UCX")->found,
            "several copies are loaded: /usr/lib/libucp.so.0, /venv/libucp.so.0");
  EXPECT_EQ(exit_status(twice), 1);
  expect_complete(twice);
  network = good_network();
  network.ucx.is_mismatched = true;
  EXPECT_EQ(mark_of(check_network(network, kNoCuda, {}), "UCX"), Mark::kBroken);
  expect_complete(check_network(network, kNoCuda, {}));
  network.ucx.failure = "UCX does not start";
  EXPECT_EQ(find(check_network(network, kNoCuda, {}), "UCX")->found, "UCX does not start");
  EXPECT_EQ(mark_of(check_network({}, kNoCuda, {}), "UCX"), Mark::kBroken);
  expect_complete(check_network({}, kNoCuda, {}));
}

TEST(CheckNetwork, WhatUcxLacksOnThisMachine) {
  NetworkFacts network = good_network();
  network.ucx.has_shared_memory = false;
  network.ucx.resources.clear();
  const auto findings = check_network(network, kOneGpu, {});
  EXPECT_EQ(mark_of(findings, "UCX shared memory"), Mark::kMissing);
  EXPECT_EQ(mark_of(findings, "UCX transports"), Mark::kBroken);
  EXPECT_EQ(mark_of(findings, "UCX with CUDA"), Mark::kMissing);
  expect_complete(findings);
}

TEST(CheckNetwork, LockLimitMattersWithRdma) {
  NetworkFacts network = good_network();
  const MemoryFacts low = {.lock_bytes = 8ULL << 20};
  EXPECT_EQ(mark_of(check_network(network, kNoCuda, low), "memory-lock limit"), Mark::kNote);
  network.infiniband = {kPort};
  EXPECT_EQ(mark_of(check_network(network, kNoCuda, low), "memory-lock limit"), Mark::kMissing);
  EXPECT_EQ(mark_of(check_network(network, kNoCuda, {}), "memory-lock limit"), Mark::kOk);
  expect_complete(check_network(network, kNoCuda, low));
}

TEST(CheckNetwork, PortsAndGpuDirect) {
  NetworkFacts network = good_network();
  network.infiniband = {kPort, {"mlx5_1 port 1", "1: DOWN", "Ethernet"}};
  const auto findings = check_network(network, kOneGpu, {});
  EXPECT_EQ(mark_of(findings, "mlx5_0 port 1"), Mark::kOk);
  EXPECT_EQ(mark_of(findings, "mlx5_1 port 1"), Mark::kMissing);
  EXPECT_EQ(mark_of(findings, "GPUDirect RDMA"), Mark::kMissing);
  EXPECT_EQ(mark_of(findings, "GDRCopy"), Mark::kMissing);
  expect_complete(findings);
  network.has_peermem = true;
  EXPECT_EQ(mark_of(check_network(network, kOneGpu, {}), "GPUDirect RDMA"), Mark::kOk);
  EXPECT_EQ(mark_of(check_network(good_network(), kNoCuda, {}), "GPUDirect RDMA"), Mark::kNote);
}

TEST(CheckLaunch, MpirunSrunOrNeither) {
  EXPECT_EQ(mark_of(check_launch({"/usr/bin/mpirun", "Open MPI 4.1.4", false}), "mpirun"),
            Mark::kOk);
  EXPECT_EQ(mark_of(check_launch({"/usr/bin/mpirun", "", false}), "mpirun"), Mark::kNote);
  EXPECT_EQ(mark_of(check_launch({"", "", true}), "mpirun"), Mark::kMissing);
  EXPECT_EQ(mark_of(check_launch({}), "mpirun"), Mark::kBroken);
  expect_complete(check_launch({}));
}

TEST(CheckModel, PresenceAndHash) {
  EXPECT_EQ(mark_of(check_model({"/m", false, "", "ab"}), "default model"), Mark::kMissing);
  EXPECT_EQ(mark_of(check_model({"/m", true, "ab", "ab"}), "default model"), Mark::kOk);
  EXPECT_EQ(mark_of(check_model({"/m", true, "cd", "ab"}), "default model"), Mark::kMissing);
  EXPECT_EQ(mark_of(check_model({"/m", true, "cd", ""}), "default model"), Mark::kNote);
  expect_complete(check_model({"/m", true, "cd", "ab"}));
}

}  // namespace
}  // namespace sluice::launch
