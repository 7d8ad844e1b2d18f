// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_probe.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "comm/loopback/loopback.hpp"

namespace sluice::launch {
namespace {

class PairProbeTest : public ::testing::Test {
 protected:
  PairProbe open(comm::NodeId self, const char* name, const PairPatience& patience) {
    auto transport = comm::loopback::open_loopback_on(hub_, {.self = self});
    auto probe = PairProbe::open(std::move(transport).value(), {.name = name}, patience);
    return std::move(probe).value();
  }

  std::shared_ptr<comm::loopback::Hub> hub_ = comm::loopback::make_hub();
};

TEST_F(PairProbeTest, BothWaysAreMeasured) {
  PairProbe a = open(kSideA, "left", {.size_us = 1});
  PairProbe b = open(kSideB, "right", {.size_us = 1});
  const auto hello_of_a = a.hello().value();
  const auto hello_of_b = b.hello().value();
  Status b_status;
  std::thread b_thread([&] { b_status = b.run_b(hello_of_a); });
  const Result<PairFacts> pair = a.run_a(hello_of_b);
  b_thread.join();
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_TRUE(b_status);
  EXPECT_EQ(pair->a.name, "left");
  EXPECT_EQ(pair->b.name, "right");
  for (const DirectionFacts* way : {&pair->a_to_b, &pair->b_to_a}) {
    ASSERT_EQ(way->puts.size(), 3U);
    EXPECT_EQ(way->puts[0].block_bytes, 64U << 10);
    EXPECT_EQ(way->puts[2].block_bytes, 16U << 20);
    for (const PutRate& put : way->puts) EXPECT_GT(put.bytes_per_s, 0);
    EXPECT_FALSE(way->lanes.empty());
  }
}

TEST_F(PairProbeTest, SilenceAndEndAreSentences) {
  PairProbe a = open(kSideA, "left", {.silence_us = 1});
  std::vector<std::byte> hello_of_b;
  {
    PairProbe b = open(kSideB, "right", {});
    hello_of_b = b.hello().value();
    const Result<PairFacts> silent = a.run_a(hello_of_b);  // its writes land; no message comes back
    ASSERT_FALSE(silent);
    EXPECT_EQ(silent.error().code, ErrorCode::kTimeout);
    EXPECT_EQ(silent.error().message.find("right said nothing to left"), 0U);
  }
  const Result<PairFacts> gone = a.run_a(hello_of_b);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::kUnavailable);
}

TEST_F(PairProbeTest, AHelloIsChecked) {
  PairProbe a = open(kSideA, "left", {});
  const Result<PairFacts> pair = a.run_a(as_bytes("no hello"));
  ASSERT_FALSE(pair);
  EXPECT_EQ(pair.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::launch
