// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/lanes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::comm::ucx {
namespace {

TEST(Lanes, AreReadFromWhatUcxPrints) {
  EXPECT_THAT(parse_lanes("#\n"
                          "# UCP endpoint\n"
                          "#               peer: vm:123\n"
                          "#                 lane[0]:  6:posix/memory.0 md[3]  -> md[3]/posix am\n"
                          "#                 lane[1]:  0:tcp/eth0.0 md[0] -> md[0]/tcp keepalive\n"
                          "#                 lane[2]:  2:rc_mlx5/mlx5_0:1.0 md[1] -> rma_bw#0"),
              testing::ElementsAre("posix/memory", "tcp/eth0", "rc_mlx5/mlx5_0:1"));
  EXPECT_THAT(parse_lanes(""), testing::IsEmpty());
  EXPECT_THAT(parse_lanes("lane[0]: <none>\nlane["), testing::IsEmpty());
}

TEST(Lanes, TcpAndDatagramsNeedTheReceiver) {
  const auto lands = [](std::vector<std::string> lanes) { return lands_by_itself(lanes); };
  EXPECT_FALSE(lands({"tcp/eth0", "tcp/lo"}));
  EXPECT_FALSE(lands({"ud_mlx5/mlx5_0:1"}));
  EXPECT_FALSE(lands({"tcp/lo", "cma/memory"}));
  EXPECT_FALSE(lands({}));
  EXPECT_TRUE(lands({"tcp/eth0", "posix/memory"}));
  EXPECT_TRUE(lands({"rc_mlx5/mlx5_0:1"}));
  EXPECT_TRUE(lands({"dc_mlx5/mlx5_0:1"}));
}

TEST(Lanes, MessagesGoByAllButSharedMemory) {
  const auto by = [](std::vector<std::string> resources) { return control_transports(resources); };
  EXPECT_EQ(by({"self/memory0", "tcp/eth0", "tcp/lo", "sysv/memory", "posix/memory", "cma/memory"}),
            "self,tcp");
  EXPECT_EQ(by({"rc_mlx5/mlx5_0:1", "ud_mlx5/mlx5_0:1", "cuda_copy/cuda", "posix/memory"}),
            "rc_mlx5,ud_mlx5");
  EXPECT_EQ(by({"self/memory0", "posix/memory", "cma/memory"}), "");
  EXPECT_EQ(by({}), "");
}

TEST(Lanes, KindsOfWays) {
  const auto kinds = [](std::vector<std::string> resources) { return way_kinds(resources); };
  EXPECT_FALSE(kinds({"tcp/eth0", "self/memory", "cma/memory"}).shared_memory);
  EXPECT_TRUE(kinds({"tcp/eth0", "sysv/memory"}).shared_memory);
  EXPECT_FALSE(kinds({"ud_mlx5/mlx5_0:1"}).rdma);
  EXPECT_TRUE(kinds({"dc_mlx5/mlx5_0:1"}).rdma);
}

}  // namespace
}  // namespace sluice::comm::ucx
