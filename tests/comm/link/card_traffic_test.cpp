// SPDX-License-Identifier: Apache-2.0
#include "comm/link/card_traffic.hpp"

#include <gtest/gtest.h>

namespace sluice::comm {
namespace {

constexpr std::int64_t kReadUs = 50'000;

// A card that is read every 50 ms.
class Card {
 public:
  CardTraffic traffic;

  // For so many readings; rates of payload in bytes per second.
  void run(int readings, double ours, double others, bool is_busy, double framing = 1.05,
           bool is_flushed = true) {
    for (int i = 0; i < readings; ++i) {
      now_us_ += kReadUs;
      done_ += ours * kReadUs * 1e-6;
      sent_ += (ours + others) * framing * kReadUs * 1e-6;
      busy_us_ += is_busy ? kReadUs : 0;
      traffic.add({static_cast<std::uint64_t>(sent_), 0, 1e9},
                  {busy_us_, static_cast<std::uint64_t>(done_), is_flushed, 0.0}, now_us_);
    }
  }
  std::int64_t now_us() const { return now_us_; }

 private:
  std::int64_t now_us_ = 1'000'000;
  std::int64_t busy_us_ = 0;
  double done_ = 0.0;
  double sent_ = 0.0;
};

TEST(CardTraffic, NothingIsKnownBeforeTwoReadings) {
  CardTraffic traffic;
  EXPECT_EQ(traffic.read_us(), 0);
  EXPECT_EQ(traffic.rate(5).all, 0.0);
  EXPECT_EQ(traffic.others(5), 0.0);
  traffic.add({1000, 0, 1e9}, {}, 10);
  EXPECT_EQ(traffic.read_us(), 10);
  EXPECT_EQ(traffic.rate(10).all, 0.0);
  EXPECT_FALSE(traffic.rate(10).is_busy);
  traffic.add({2000, 0, 1e9}, {}, 10);  // no time has passed
  EXPECT_EQ(traffic.rate(10).all, 0.0);
  EXPECT_EQ(traffic.speed_bytes_per_s(), 1e9);
}

TEST(CardTraffic, OursAndOthersAreOfTheSameTime) {
  Card card;
  card.run(20, 4e6, 2e6, true);
  const CardTraffic::Rate rate = card.traffic.rate(card.now_us());
  EXPECT_NEAR(rate.all, 6e6, 6e3);
  EXPECT_NEAR(rate.ours, 4e6, 4e3);
  EXPECT_TRUE(rate.is_busy);
  EXPECT_NEAR(card.traffic.others(card.now_us()), 2e6, 1e4);
  card.run(1, 4e6, 2e6, false);
  EXPECT_FALSE(card.traffic.rate(card.now_us()).is_busy);
}

TEST(CardTraffic, OldCountersSayNothing) {
  Card card;
  card.run(20, 4e6, 2e6, true);
  EXPECT_EQ(card.traffic.rate(card.now_us() + 1'000'001).all, 0.0);
  EXPECT_EQ(card.traffic.others(card.now_us() + 1'000'001), 0.0);
}

TEST(CardTraffic, OthersAreThoseThatStay) {
  Card card;
  card.run(10, 4e6, 0.0, true);
  card.run(20, 0.0, 0.0, false);
  card.run(6, 0.0, 2e6, false);
  EXPECT_EQ(card.traffic.others(card.now_us()), 0.0);
  card.run(6, 0.0, 2e6, false);
  EXPECT_NEAR(card.traffic.others(card.now_us()), 2e6, 1e4);
}

TEST(CardTraffic, WhatFramesCostIsLearnedWithinReason) {
  Card card;
  card.run(20, 4e6, 0.0, true, 1.0, false);
  EXPECT_NEAR(card.traffic.rate(card.now_us()).all, 4e6 / 1.05, 1e4);
  for (int i = 0; i < 100; ++i) {
    card.traffic.learn_framing(4e6, card.traffic.rate(card.now_us()).all);
  }
  EXPECT_NEAR(card.traffic.rate(card.now_us()).all, 4e6, 1e4);
  // Twice as much is not framing.
  card.run(20, 4e6, 4e6, true, 1.0, false);
  for (int i = 0; i < 100; ++i) {
    card.traffic.learn_framing(4e6, card.traffic.rate(card.now_us()).all);
  }
  EXPECT_NEAR(card.traffic.rate(card.now_us()).all, 8e6, 2e4);
}

TEST(CardTraffic, WhatFramesCostIsKnownFromFlushToFlush) {
  Card card;
  card.run(100, 12e6, 0.0, true, 1.01);
  EXPECT_NEAR(card.traffic.rate(card.now_us()).all, 12e6, 1e4);
  card.run(20, 12e6, 9e6, true, 1.01);
  EXPECT_NEAR(card.traffic.rate(card.now_us()).all, 21e6, 2e4);
}

TEST(CardTraffic, ACounterThatRunsBackwardsIsAnother) {
  CardTraffic traffic;
  traffic.add({1'000'000, 0, 0.0}, {0, 0, true, 0.0}, 50'000);
  traffic.add({2'000'000, 0, 0.0}, {0, 1'000'000, true, 0.0}, 100'000);
  EXPECT_GT(traffic.rate(100'000).all, 0.0);
  traffic.add({500, 0, 0.0}, {0, 1'000'000, true, 0.0}, 150'000);
  EXPECT_EQ(traffic.rate(150'000).all, 0.0);
  traffic.add({1'000'500, 0, 0.0}, {0, 2'000'000, true, 0.0}, 1'150'000);
  EXPECT_NEAR(traffic.rate(1'150'000).all, 1e6, 0.05e6);
}

TEST(CardTraffic, ACardThatDoesNotCarryOursIsNoWitness) {
  // Keepalives and others' traffic, but not our megabytes.
  CardTraffic traffic;
  std::int64_t now_us = 0;
  const auto add = [&](std::uint64_t sent_bytes, std::uint64_t done_bytes, bool is_flushed) {
    traffic.add({sent_bytes, 0, 1e9}, {now_us, done_bytes, is_flushed, 0.0}, now_us);
    now_us += kReadUs;
    return traffic.carries_ours();
  };
  EXPECT_FALSE(add(1000, 0, true));
  EXPECT_FALSE(add(2000, 4'000'000, false));
  EXPECT_FALSE(add(3000, 8'000'000, true));
  EXPECT_EQ(traffic.rate(now_us).all, 0.0);
  EXPECT_FALSE(traffic.rate(now_us).is_busy);
  EXPECT_EQ(traffic.others(now_us), 0.0);
  // Ours go there now.
  EXPECT_TRUE(add(4'200'000, 12'000'000, true));
  EXPECT_GT(traffic.rate(now_us).all, 0.0);
  // What a socket still holds back is no reason to doubt, what has arrived otherwise is.
  EXPECT_TRUE(add(4'300'000, 16'000'000, false));
  EXPECT_FALSE(add(4'400'000, 17'000'000, true));
}

TEST(CardTraffic, WhatASocketHoldsBackIsNobodyElses) {
  // 4 MB are swallowed at once and leave in 0.4 s; all of it is ours, flushed or not yet.
  CardTraffic traffic;
  std::int64_t now_us = 0;
  std::uint64_t sent = 0;
  traffic.add({0, 0, 0.0}, {0, 0, true, 1e7}, now_us);
  for (int i = 1; i <= 20; ++i) {
    now_us += kReadUs;
    if (i <= 8) sent += 525'000;
    traffic.add({sent, 0, 0.0}, {0, 4'000'000, i >= 8, 1e7}, now_us);
    EXPECT_EQ(traffic.others(now_us), 0.0) << i;
  }
  EXPECT_TRUE(traffic.carries_ours());
}

}  // namespace
}  // namespace sluice::comm
