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
  void run(int readings, double ours, double others, bool is_busy, double framing = 1.05) {
    for (int i = 0; i < readings; ++i) {
      now_us_ += kReadUs;
      left_ += ours * kReadUs * 1e-6;
      sent_ += (ours + others) * framing * kReadUs * 1e-6;
      busy_us_ += is_busy ? kReadUs : 0;
      traffic.add({static_cast<std::uint64_t>(sent_), 0, 1e9}, {busy_us_, left_, true}, now_us_);
    }
  }
  std::int64_t now_us() const { return now_us_; }

 private:
  std::int64_t now_us_ = 1'000'000;
  std::int64_t busy_us_ = 0;
  double left_ = 0.0;
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
  card.run(20, 4e6, 0.0, true, 1.0);
  EXPECT_NEAR(card.traffic.rate(card.now_us()).all, 4e6 / 1.05, 1e4);
  for (int i = 0; i < 100; ++i) {
    card.traffic.learn_framing(4e6, card.traffic.rate(card.now_us()).all);
  }
  EXPECT_NEAR(card.traffic.rate(card.now_us()).all, 4e6, 1e4);
  // Twice as much is not framing.
  card.run(20, 4e6, 4e6, true, 1.0);
  for (int i = 0; i < 100; ++i) {
    card.traffic.learn_framing(4e6, card.traffic.rate(card.now_us()).all);
  }
  EXPECT_NEAR(card.traffic.rate(card.now_us()).all, 8e6, 2e4);
}

TEST(CardTraffic, ACounterThatRunsBackwardsIsAnother) {
  CardTraffic traffic;
  traffic.add({1'000'000, 0, 0.0}, {0, 0.0, true}, 50'000);
  traffic.add({2'000'000, 0, 0.0}, {0, 1e6, true}, 100'000);
  EXPECT_GT(traffic.rate(100'000).all, 0.0);
  traffic.add({500, 0, 0.0}, {0, 1e6, true}, 150'000);
  EXPECT_EQ(traffic.rate(150'000).all, 0.0);
  traffic.add({1'000'500, 0, 0.0}, {0, 2e6, true}, 1'150'000);
  EXPECT_NEAR(traffic.rate(1'150'000).all, 1e6 / 1.05, 1.0);
}

TEST(CardTraffic, ACardThatDoesNotCarryOursIsNoWitness) {
  // Keepalives and others' traffic, but not our megabytes.
  CardTraffic traffic;
  std::int64_t now_us = 0;
  const auto add = [&](std::uint64_t sent_bytes, double left_bytes, bool is_flushed) {
    traffic.add({sent_bytes, 0, 1e9}, {now_us, left_bytes, is_flushed}, now_us);
    now_us += kReadUs;
    return traffic.carries_ours();
  };
  EXPECT_FALSE(add(1000, 0.0, true));
  EXPECT_FALSE(add(2000, 4e6, false));
  EXPECT_FALSE(add(3000, 8e6, true));
  EXPECT_EQ(traffic.rate(now_us).all, 0.0);
  EXPECT_FALSE(traffic.rate(now_us).is_busy);
  EXPECT_EQ(traffic.others(now_us), 0.0);
  // Ours go there now.
  EXPECT_TRUE(add(4'200'000, 12e6, true));
  EXPECT_GT(traffic.rate(now_us).all, 0.0);
  // What a socket still holds back is no reason to doubt, what has arrived otherwise is.
  EXPECT_TRUE(add(4'300'000, 16e6, false));
  EXPECT_FALSE(add(4'400'000, 17e6, true));
}

}  // namespace
}  // namespace sluice::comm
