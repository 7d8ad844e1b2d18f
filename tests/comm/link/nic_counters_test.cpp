// SPDX-License-Identifier: Apache-2.0
#include "comm/link/nic_counters.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace sluice::comm {
namespace {

namespace fs = std::filesystem;

// A made-up sysfs, of which each file has the text that the kernel would give.
class NicCountersTest : public ::testing::Test {
 protected:
  NicCountersTest()
      : sysfs_(fs::path(::testing::TempDir()) / ("sysfs." + std::to_string(::getpid()))) {
    put("class/net/eth0/statistics/tx_bytes", "123456789012\n");
    put("class/net/eth0/statistics/rx_bytes", "345\n");
    put("class/net/eth0/speed", "25000\n");
    put("class/infiniband/mlx5_0/ports/1/counters/port_xmit_data", "1000000000000\n");
    put("class/infiniband/mlx5_0/ports/1/counters/port_rcv_data", "7\n");
    put("class/infiniband/mlx5_0/ports/1/rate", "100 Gb/sec (4X EDR)\n");
  }
  ~NicCountersTest() override { fs::remove_all(sysfs_); }

  void put(const std::string& path, const std::string& text) {
    fs::create_directories((sysfs_ / path).parent_path());
    std::ofstream(sysfs_ / path) << text;
  }

  fs::path sysfs_;
};

TEST_F(NicCountersTest, EthernetCountsBytes) {
  const auto card = NicCounters::open("tcp/eth0", sysfs_);
  ASSERT_TRUE(card.has_value()) << card.error().message;
  EXPECT_EQ(card->device(), "eth0");
  const auto sample = card->read();
  ASSERT_TRUE(sample.has_value()) << sample.error().message;
  EXPECT_EQ(sample->sent_bytes, 123456789012U);
  EXPECT_EQ(sample->received_bytes, 345U);
  EXPECT_EQ(sample->speed_bytes_per_s, 25e9 / 8);
  put("class/net/eth0/statistics/tx_bytes", "123456789999\n");
  EXPECT_EQ(card->read().value().sent_bytes, 123456789999U);
}

TEST_F(NicCountersTest, InfiniBandCountsWordsOfFourBytes) {
  const auto card = NicCounters::open("rc_mlx5/mlx5_0:1", sysfs_);
  ASSERT_TRUE(card.has_value()) << card.error().message;
  EXPECT_EQ(card->device(), "mlx5_0:1");
  const auto sample = card->read();
  ASSERT_TRUE(sample.has_value()) << sample.error().message;
  EXPECT_EQ(sample->sent_bytes, 4'000'000'000'000U);
  EXPECT_EQ(sample->received_bytes, 28U);
  EXPECT_EQ(sample->speed_bytes_per_s, 100e9 / 8);
}

TEST_F(NicCountersTest, ASpeedThatNobodyKnowsIsZero) {
  put("class/net/eth0/speed", "-1\n");
  EXPECT_EQ(NicCounters::open("tcp/eth0", sysfs_).value().read().value().speed_bytes_per_s, 0.0);
  fs::remove(sysfs_ / "class/net/eth0/speed");
  EXPECT_EQ(NicCounters::open("tcp/eth0", sysfs_).value().read().value().speed_bytes_per_s, 0.0);
}

TEST_F(NicCountersTest, WhatIsNoCardIsSaidToBeNone) {
  for (const char* lane : {"posix/memory", "cuda_ipc/cuda", "self/memory0", "tcp/eth1", "tcp/",
                           "tcp", "", "rc_mlx5/mlx5_1:1", "rc_mlx5/mlx5_0:2",
                           "rc_mlx5/mlx5_0:", "tcp/../net/eth0", "posix/eth0", "rc_mlx5/..:1"}) {
    const auto card = NicCounters::open(lane, sysfs_);
    ASSERT_FALSE(card.has_value()) << lane;
    EXPECT_EQ(card.error().code, ErrorCode::kNotFound);
    EXPECT_EQ(card.error().message, std::string(lane) + " is no network card of this host");
  }
}

TEST_F(NicCountersTest, ACardCanGo) {
  const auto card = NicCounters::open("tcp/eth0", sysfs_);
  ASSERT_TRUE(card.has_value());
  put("class/net/eth0/statistics/tx_bytes", "nonsense\n");
  EXPECT_FALSE(card->read().has_value());
  fs::remove_all(sysfs_ / "class/net/eth0");
  const auto sample = card->read();
  ASSERT_FALSE(sample.has_value());
  EXPECT_EQ(sample.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(sample.error().message, "the counters of the network card eth0 cannot be read");
}

}  // namespace
}  // namespace sluice::comm
