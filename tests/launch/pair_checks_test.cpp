// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_checks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::launch {
namespace {

using ::testing::HasSubstr;

const DirectionFacts kShared = {.lanes = {"posix/memory", "cma/memory"},
                                .puts = {{65536, 20e9}, {16 << 20, 12.5e9}},
                                .round_trip_us = 12.25};
const DirectionFacts kTcp = {.lanes = {"tcp/eth0"}, .puts = {{16 << 20, 1.25e8}}};
const DirectionFacts kRdma = {.lanes = {"rc_mlx5/mlx5_0:1", "tcp/eth0"},
                              .puts = {{1 << 20, 1e9}, {16 << 20, 11e9}}};
const ActivePort kPort = {"mlx5_0 port 1", 100};

PairFacts pair_of(const DirectionFacts& facts) {
  PairFacts pair;
  pair.a = {.name = "left", .place = "boot 1", .has_shared_memory = true};
  pair.b = {.name = "right", .place = "boot 2", .has_shared_memory = true};
  pair.a_to_b = facts;
  pair.b_to_a = facts;
  return pair;
}

// The finding of the way from A to B.
Finding find(const PairFacts& pair, const std::string& name) {
  for (const Finding& finding : check_pair(pair)) {
    if (finding.name == name) return finding;
  }
  ADD_FAILURE() << "no finding " << name;
  return {};
}

int status(const PairFacts& pair) { return pair_exit_status(check_pair(pair)); }

// A warning says what is lost and how to get it.
void expect_warning(const Finding& finding, const std::string& found, const std::string& remedy) {
  EXPECT_EQ(finding.mark, Mark::kSlow) << finding.name;
  EXPECT_THAT(finding.found, HasSubstr(found));
  EXPECT_THAT(finding.remedy, HasSubstr(remedy));
  EXPECT_NE(finding.lost, "");
}

TEST(PathKind, IsTheFastestLanes) {
  const auto kind = [](std::vector<std::string> lanes) { return path_kind(lanes); };
  EXPECT_EQ(kind({}), PathKind::kNone);
  EXPECT_EQ(kind({"self/memory"}), PathKind::kNone);
  EXPECT_EQ(kind({"tcp/lo"}), PathKind::kTcp);
  EXPECT_EQ(kind({"tcp/lo", "sysv/memory"}), PathKind::kSharedMemory);
  EXPECT_EQ(kind({"tcp/eth0", "dc_mlx5/mlx5_0:1", "ud_mlx5/mlx5_0:1"}), PathKind::kRdma);
}

TEST(CheckPair, FastPathsAreFine) {
  for (const DirectionFacts& facts : {kShared, kTcp, kRdma}) EXPECT_EQ(status(pair_of(facts)), 0);
  PairFacts pair = pair_of(kShared);
  EXPECT_EQ(find(pair, "path").found, "shared memory (posix/memory, cma/memory)");
  EXPECT_EQ(find(pair, "put, 64 KiB").found, "20.00 GB/s");
  EXPECT_EQ(find(pair, "put, 16 MiB").found, "12.50 GB/s");
  EXPECT_EQ(find(pair, "message").found, "12.2 us there and back");
  EXPECT_EQ(pair_summary(pair, check_pair(pair)),
            "left and right can serve together, over shared memory.");
  EXPECT_EQ(find(pair_of(kTcp), "put, 16 MiB").found, "1.00 Gbit/s (0.12 GB/s)");
}

TEST(CheckPair, TcpOnOneHostIsSlow) {
  PairFacts pair = pair_of(kTcp);
  pair.b.place = pair.a.place;
  EXPECT_EQ(status(pair), 3);
  expect_warning(find(pair, "path"), "TCP (tcp/eth0), although both processes are on one host",
                 "posix");
  pair.b.transports_setting = "tcp,self";
  expect_warning(find(pair, "path"), "one host", "unset UCX_TLS, which is \"tcp,self\" on right");
  EXPECT_THAT(pair_summary(pair, check_pair(pair)), HasSubstr("WARNING"));
  // Nothing to fall back from.
  pair.a.has_shared_memory = false;
  EXPECT_EQ(status(pair), 0);
  // Where the place is not known, nothing is claimed.
  pair = pair_of(kTcp);
  pair.a.place = pair.b.place = "";
  EXPECT_EQ(status(pair), 0);
}

TEST(CheckPair, TcpBesideRdmaIsSlow) {
  PairFacts pair = pair_of(kTcp);
  pair.a.rdma_ports = {kPort};
  EXPECT_EQ(status(pair), 0);
  EXPECT_EQ(find(pair, "path").mark, Mark::kNote);
  EXPECT_THAT(find(pair, "path").lost, HasSubstr("right has no active port"));
  pair.b.rdma_ports = {kPort};
  EXPECT_EQ(status(pair), 3);
  expect_warning(find(pair, "path"), "left mlx5_0 port 1, right mlx5_0 port 1", "verbs");
}

TEST(CheckPair, OneRailOfTwoIsSlow) {
  PairFacts pair = pair_of(kRdma);
  pair.a.rdma_ports = pair.b.rdma_ports = {kPort, {"mlx5_1 port 1", 100}};
  expect_warning(find(pair, "rails"), "one (mlx5_0:1), although both hosts have 2", "RAILS");
  pair.a_to_b.lanes.emplace_back("rc_mlx5/mlx5_1:1");
  EXPECT_EQ(find(pair, "rails").mark, Mark::kOk);
  EXPECT_EQ(find(pair, "rails").found, "mlx5_0:1, mlx5_1:1");
  EXPECT_EQ(status(pair), 3) << "the way back has one still";
  pair.b_to_a.lanes = pair.a_to_b.lanes;
  EXPECT_EQ(status(pair), 0);
  pair.b_to_a = kRdma;
  pair.b.rdma_ports = {kPort};
  EXPECT_EQ(status(pair), 0) << "one port has one rail";
}

TEST(CheckPair, APortThatGivesLittleIsSlow) {
  PairFacts pair = pair_of(kRdma);
  pair.a.rdma_ports = pair.b.rdma_ports = {kPort};
  EXPECT_EQ(find(pair, "put, 16 MiB").mark, Mark::kOk);
  EXPECT_EQ(find(pair, "put, 1 MiB").mark, Mark::kOk) << "small puts need not fill it";
  pair.a_to_b.puts.back().bytes_per_s = 6e9;
  expect_warning(find(pair, "put, 16 MiB"), "of a port of 100 Gbit/s", "lspci");
}

TEST(CheckPair, DeviceMemoryThroughTheHostIsSlow) {
  PairFacts pair = pair_of(kRdma);
  EXPECT_EQ(find(pair, "memory").found, "host");
  comm::MemoryFacts& device = pair.b.device;
  device.cuda_devices = 8;
  expect_warning(find(pair, "memory"), "host: right has a GPU, but this build has no CUDA", "cuda");
  device.is_built_with_cuda = device.has_cuda_transports = device.is_type_seen = true;
  device.has_rdma = true;
  expect_warning(find(pair, "memory"),
                 "device, through pinned host memory: right has a GPU, but the NIC cannot reach",
                 "nvidia_peermem");
  device.has_peermem = true;
  EXPECT_EQ(find(pair, "memory").mark, Mark::kOk);
  EXPECT_THAT(find(pair, "memory").found, HasSubstr("device, direct: GPUDirect RDMA"));
  EXPECT_EQ(status(pair), 0);
  // On one host CUDA copies between processes.
  device.has_peermem = false;
  device.has_cuda_ipc = true;
  EXPECT_EQ(find(pair, "memory").mark, Mark::kSlow);
  pair.b.place = pair.a.place;
  EXPECT_EQ(find(pair, "memory").mark, Mark::kOk);
}

TEST(CheckPair, WithoutALaneNothingWorks) {
  PairFacts pair = pair_of(kShared);
  pair.b_to_a.lanes.clear();
  EXPECT_EQ(status(pair), 1);
  EXPECT_EQ(pair_summary(pair, check_pair(pair)), "left and right cannot serve together.");
}

}  // namespace
}  // namespace sluice::launch
