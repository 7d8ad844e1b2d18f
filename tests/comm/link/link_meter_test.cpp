// SPDX-License-Identifier: Apache-2.0
#include "comm/link/link_meter.hpp"

#include <gtest/gtest.h>

#include "tests/comm/link/played_link.hpp"

namespace sluice::comm {
namespace {

constexpr double kMbit = 1e6 / 8;  // bytes per second
constexpr std::int64_t kSecond = 1'000'000;

#define EXPECT_WITHIN(value, wanted, share) EXPECT_NEAR(value, wanted, (share) * (wanted))

TEST(LinkMeter, KnowsNothingAtFirst) {
  const LinkEstimate link = LinkMeter().estimate(5);
  EXPECT_EQ(link.capacity_bytes_per_s, 0.0);
  EXPECT_EQ(link.free_bytes_per_s, 0.0);
  EXPECT_EQ(link.measured_us, 0);
  EXPECT_EQ(link.round_trip_us, 0);
}

TEST(LinkMeter, CountsWhatWaits) {
  LinkMeter meter;
  meter.queued(1000, 10);
  meter.queued(500, 20);
  EXPECT_EQ(meter.estimate(30).queued_bytes, 1500U);
  meter.completed(400, 20, 40);
  EXPECT_EQ(meter.estimate(50).queued_bytes, 1100U);
  meter.dropped(1000, 60);
  EXPECT_EQ(meter.estimate(70).queued_bytes, 100U);
  meter.completed(900, 60, 80);
  EXPECT_EQ(meter.estimate(90).queued_bytes, 0U);
}

TEST(LinkMeter, SmoothsRoundTrips) {
  LinkMeter meter;
  meter.round_trip(800);
  EXPECT_EQ(meter.estimate(0).round_trip_us, 800);
  meter.round_trip(1600);
  EXPECT_EQ(meter.estimate(0).round_trip_us, 900);
  for (int i = 0; i < 100; ++i) meter.round_trip(100);
  EXPECT_EQ(meter.estimate(0).round_trip_us, 100);
}

struct Step {
  const char* name;
  double before_mbit;
  double after_mbit;
  bool has_card;
};

class LinkMeterStep : public ::testing::TestWithParam<Step> {};

// The figure of the meter: within 10 % a second after a step. Virtual time is exact, so that half
// of this is left for what real clocks and counters add.
TEST_P(LinkMeterStep, IsSeenWithinASecond) {
  const Step& step = GetParam();
  PlayedLink played({.bytes_per_s = step.before_mbit * kMbit, .has_card = step.has_card});
  played.run(3 * kSecond, true);
  EXPECT_WITHIN(played.estimate().free_bytes_per_s, step.before_mbit * kMbit, 0.05);
  for (int i = 0; i < 2; ++i) {
    played.set_rate(step.after_mbit * kMbit);
    played.run(kSecond, true);
    EXPECT_WITHIN(played.estimate().free_bytes_per_s, step.after_mbit * kMbit, 0.05);
    EXPECT_WITHIN(played.estimate().capacity_bytes_per_s, step.after_mbit * kMbit, 0.05);
    EXPECT_GT(played.estimate().utilization, 0.9);
    played.set_rate(step.before_mbit * kMbit);
    played.run(kSecond, true);
    EXPECT_WITHIN(played.estimate().free_bytes_per_s, step.before_mbit * kMbit, 0.05);
  }
}

INSTANTIATE_TEST_SUITE_P(Rates, LinkMeterStep,
                         ::testing::Values(Step{"GigabitTo50", 1000, 50, true},
                                           Step{"GigabitTo50WithoutCard", 1000, 50, false},
                                           Step{"TenGigabitTo200", 10'000, 200, true},
                                           Step{"TenGigabitTo200WithoutCard", 10'000, 200, false},
                                           Step{"HundredGigabitTo20Gigabit", 100'000, 20'000, true},
                                           Step{"Half", 1000, 500, true}),
                         [](const auto& step) { return std::string(step.param.name); });

TEST(LinkMeter, ALinkThatStopsIsSeenWithoutACompletion) {
  PlayedLink played({.bytes_per_s = 1000 * kMbit});
  played.run(2 * kSecond, true);
  played.set_rate(0.0);
  played.run(kSecond, true);
  EXPECT_LT(played.estimate().free_bytes_per_s, 10 * kMbit);
  EXPECT_LE(played.estimate().capacity_bytes_per_s, 10 * kMbit);
}

TEST(LinkMeter, WhatASocketSwallowsIsNoCapacity) {
  // Without a flush or a card there is nothing to tell by, so nothing is told.
  PlayedLink blind({.bytes_per_s = 50 * kMbit, .has_card = false, .has_flush = false});
  for (int i = 0; i < 5; ++i) {
    blind.queue(1'000'000);
    blind.run(kSecond / 2);
  }
  EXPECT_EQ(blind.estimate().capacity_bytes_per_s, 0.0);
  // Behind a flush a short transfer tells the rate; so it does at the next rate.
  PlayedLink flushing({.bytes_per_s = 50 * kMbit, .has_card = false});
  for (const double rate : {50 * kMbit, 1000 * kMbit, 50 * kMbit}) {
    flushing.set_rate(rate);
    for (int i = 0; i < 3; ++i) {
      flushing.queue(1'000'000);
      flushing.run(kSecond / 2);
    }
    EXPECT_WITHIN(flushing.estimate().capacity_bytes_per_s, rate, 0.05);
  }
  // The card alone has seen what left in its interval: a lower bound.
  PlayedLink counting({.bytes_per_s = 50 * kMbit, .has_flush = false});
  counting.run(kSecond / 2);
  counting.queue(1'000'000);
  counting.run(kSecond / 2);
  EXPECT_GT(counting.estimate().capacity_bytes_per_s, 1e6);
  EXPECT_LE(counting.estimate().capacity_bytes_per_s, 1.05 * 50 * kMbit);
}

// Serving sends one prompt's cache at a time, which a socket swallows at once, whole.
TEST(LinkMeter, PortionsThatASocketSwallowsTellTheRateByTheirFlush) {
  for (const bool has_card : {true, false}) {
    PlayedLink played({.bytes_per_s = 1000 * kMbit, .has_card = has_card});
    for (const double rate : {1000 * kMbit, 50 * kMbit, 200 * kMbit, 50 * kMbit}) {
      played.set_rate(rate);
      for (int i = 0; i < 4; ++i) {
        played.queue(3'000'000);
        played.run(3 * kSecond / 5);
      }
      const LinkEstimate link = played.estimate();
      EXPECT_WITHIN(link.free_bytes_per_s, rate, 0.05) << has_card;
      EXPECT_WITHIN(link.capacity_bytes_per_s, rate, 0.05) << has_card;
      EXPECT_EQ(link.other_bytes_per_s, 0.0) << has_card;
    }
  }
}

TEST(LinkMeter, TheCardShowsAFallWhileAFlushIsAwaited) {
  PlayedLink played({.bytes_per_s = 1000 * kMbit});
  played.queue(50'000'000);
  played.run(kSecond);
  played.set_rate(20 * kMbit);
  played.queue(4'000'000);  // 1.6 s
  played.run(kSecond);
  EXPECT_WITHIN(played.estimate().free_bytes_per_s, 20 * kMbit, 0.1);
}

TEST(LinkMeter, ASmallArrivalSaysNothingAboutLargeOnes) {
  LinkMeter meter;
  std::int64_t now_us = 0;
  // 100 ms apart, each flushed.
  const auto send = [&](std::size_t bytes, std::int64_t took_us) {
    now_us += 100'000;
    meter.queued(bytes, now_us);
    meter.completed(bytes, now_us, now_us + took_us / 2);
    meter.flushing(0, now_us + took_us / 2);
    meter.flushed(now_us + took_us / 2, now_us + took_us);
  };
  for (int i = 0; i < 10; ++i) send(1'250'000, 10'000);
  EXPECT_WITHIN(meter.estimate(now_us).capacity_bytes_per_s, 1000 * kMbit, 0.02);
  for (int i = 0; i < 20; ++i) send(100'000, 400);
  EXPECT_WITHIN(meter.estimate(now_us).capacity_bytes_per_s, 1000 * kMbit, 0.02);
  // When there are only such, they are what is to be expected.
  for (int i = 0; i < 400; ++i) send(100'000, 400);
  EXPECT_WITHIN(meter.estimate(now_us).capacity_bytes_per_s, 2000 * kMbit, 0.02);
}

TEST(LinkMeter, AnAnswerThatComesLateMakesTheNextOneNoFaster) {
  // Two transfers of 10 ms back to back; the first one's flush is heard of 8 ms late.
  LinkMeter meter;
  for (std::int64_t at_us = 0; at_us < kSecond; at_us += 100'000) {
    meter.queued(1'250'000, at_us);
    meter.completed(1'250'000, at_us, at_us + 100);
    meter.flushing(0, at_us + 100);
    meter.queued(1'250'000, at_us + 200);
    meter.completed(1'250'000, at_us + 200, at_us + 300);
    meter.flushed(at_us + 100, at_us + 18'000);
    meter.flushing(0, at_us + 18'000);
    meter.flushed(at_us + 18'000, at_us + 20'000);
  }
  EXPECT_LE(meter.estimate(kSecond).capacity_bytes_per_s, 1050 * kMbit);
  EXPECT_GE(meter.estimate(kSecond).capacity_bytes_per_s, 500 * kMbit);
}

TEST(LinkMeter, TheWayBackOfAFlushIsNotOnTheLink) {
  // 1 MB in 8 ms, then 2 ms until the answer has come.
  LinkMeter meter;
  meter.round_trip(2000);
  for (std::int64_t at_us = 0; at_us < kSecond; at_us += 100'000) {
    meter.queued(1'000'000, at_us);
    meter.completed(1'000'000, at_us, at_us + 1000);
    meter.flushed(at_us + 1000, at_us + 10'000);
  }
  EXPECT_WITHIN(meter.estimate(kSecond).capacity_bytes_per_s, 125e6, 0.02);
}

TEST(LinkMeter, TimeWithNothingPostedIsNotTheLinks) {
  // Each write takes 1 ms, then the application needs 4 ms to post the next.
  LinkMeter meter;
  for (std::int64_t at_us = 0; at_us < 2 * kSecond; at_us += 5000) {
    meter.queued(100'000, at_us);
    meter.completed(100'000, at_us, at_us + 1000);
  }
  EXPECT_WITHIN(meter.estimate(2 * kSecond).capacity_bytes_per_s, 100e6, 0.01);
  EXPECT_WITHIN(meter.estimate(2 * kSecond).goodput_bytes_per_s, 20e6, 0.05);
  EXPECT_WITHIN(meter.estimate(2 * kSecond).utilization, 0.2, 0.05);
}

TEST(LinkMeter, IdleKeepsTheCapacityAndItsAge) {
  PlayedLink played({.bytes_per_s = 1000 * kMbit});
  played.queue(100'000'000);
  played.run(2 * kSecond);
  const std::int64_t ended_us = played.estimate().measured_us;
  played.run(20 * kSecond);
  const LinkEstimate link = played.estimate();
  EXPECT_WITHIN(link.capacity_bytes_per_s, 1000 * kMbit, 0.05);
  EXPECT_WITHIN(link.free_bytes_per_s, 1000 * kMbit, 0.05);
  EXPECT_EQ(link.measured_us, ended_us);
  EXPECT_EQ(link.goodput_bytes_per_s, 0.0);
  EXPECT_EQ(link.other_bytes_per_s, 0.0);
  EXPECT_EQ(link.utilization, 0.0);
}

TEST(LinkMeter, FramesAreNoOneElsesTraffic) {
  for (const double framing : {1.0, 1.006, 1.046, 1.07}) {
    PlayedLink played({.bytes_per_s = 1000 * kMbit, .framing = framing});
    played.run(3 * kSecond, true);
    EXPECT_EQ(played.estimate().other_bytes_per_s, 0.0) << framing;
    EXPECT_WITHIN(played.estimate().free_bytes_per_s, 1000 * kMbit, 0.03);
  }
}

TEST(LinkMeter, OthersOnTheCardAreCountedAndTakenOff) {
  PlayedLink played({.bytes_per_s = 1000 * kMbit});
  played.run(2 * kSecond, true);
  played.set_other(400 * kMbit);
  played.run(kSecond, true);
  LinkEstimate link = played.estimate();
  EXPECT_TRUE(link.has_card);
  EXPECT_WITHIN(link.other_bytes_per_s, 400 * kMbit, 0.1);
  EXPECT_WITHIN(link.free_bytes_per_s, 600 * kMbit, 0.05);
  EXPECT_WITHIN(link.capacity_bytes_per_s, 1000 * kMbit, 0.05);
  EXPECT_GT(link.utilization, 0.9);
  played.set_other(0.0);
  played.run(kSecond, true);
  EXPECT_WITHIN(played.estimate().free_bytes_per_s, 1000 * kMbit, 0.05);
  EXPECT_EQ(played.estimate().other_bytes_per_s, 0.0);
}

TEST(LinkMeter, IdleFollowsWhatOthersDo) {
  PlayedLink played({.bytes_per_s = 1000 * kMbit});
  played.queue(200'000'000);
  played.run(3 * kSecond);
  played.set_other(300 * kMbit);
  played.run(kSecond);
  EXPECT_WITHIN(played.estimate().free_bytes_per_s, 700 * kMbit, 0.05);
  EXPECT_WITHIN(played.estimate().utilization, 0.3, 0.1);
  // Who fills the card makes way for one more stream.
  played.set_other(1000 * kMbit);
  played.run(kSecond);
  EXPECT_WITHIN(played.estimate().free_bytes_per_s, 500 * kMbit, 0.05);
  played.set_other(0.0);
  played.run(kSecond);
  EXPECT_WITHIN(played.estimate().free_bytes_per_s, 1000 * kMbit, 0.05);
}

// The card sends for others at ten times what our own way carries: their end is no gain of ours.
TEST(LinkMeter, ANarrowWayBehindAWideCardStaysNarrow) {
  LinkMeter meter;
  std::uint64_t sent = 0;
  const auto second = [&](std::int64_t from_us, bool has_others) {
    for (std::int64_t at_us = from_us; at_us < from_us + kSecond; at_us += 10'000) {
      meter.queued(62'500, at_us);
      sent += 62'500 + (has_others ? 12'500'000 : 0);
      meter.completed(62'500, at_us, at_us + 10'000);
      if (at_us % 50'000 == 0) meter.nic({sent, 0, 12.5e9}, at_us + 10'000);
    }
  };
  for (int i = 0; i < 3; ++i) second(i * kSecond, true);
  EXPECT_WITHIN(meter.estimate(3 * kSecond).capacity_bytes_per_s, 50 * kMbit, 0.05);
  EXPECT_WITHIN(meter.estimate(3 * kSecond).other_bytes_per_s, 1.25e9 / 1.05, 0.05);
  second(3 * kSecond, false);
  EXPECT_WITHIN(meter.estimate(4 * kSecond).capacity_bytes_per_s, 50 * kMbit, 0.05);
  EXPECT_WITHIN(meter.estimate(4 * kSecond).free_bytes_per_s, 50 * kMbit, 0.05);
}

// A lane may name a card that the bulk does not go through.
TEST(LinkMeter, ACardThatCountsNothingOfOursIsNoWitness) {
  LinkMeter meter;
  std::uint64_t sent = 0;
  for (std::int64_t at_us = 0; at_us < 2 * kSecond; at_us += 1000) {
    meter.queued(2'000'000, at_us);
    meter.completed(1'000'000, at_us, at_us + 1000);
    if (at_us % 50'000 == 0) meter.nic({sent += 100, 0, 1e9}, at_us);
  }
  const LinkEstimate link = meter.estimate(2 * kSecond);
  EXPECT_FALSE(link.has_card);
  EXPECT_WITHIN(link.free_bytes_per_s, 1e9, 0.05);
  EXPECT_EQ(link.other_bytes_per_s, 0.0);
}

TEST(LinkMeter, CountersThatStartAnewAreNoTraffic) {
  PlayedLink played({.bytes_per_s = 1000 * kMbit});
  played.run(2 * kSecond, true);
  LinkMeter meter = played.meter;
  const std::int64_t now_us = played.now_us();
  for (int i = 1; i <= 4; ++i) {
    meter.nic({static_cast<std::uint64_t>(i), 0, 0.0}, now_us + i * 50'000);
    const LinkEstimate link = meter.estimate(now_us + i * 50'000);
    EXPECT_LE(link.other_bytes_per_s, 1000.0);
    EXPECT_LE(link.utilization, 1.0);
  }
}

// A transfer's flush is asked for long before it is answered. That is no time on the link for the
// first piece of the next transfer, which comes after a pause.
TEST(LinkMeter, ALongTransferDoesNotSlowTheFirstPieceOfTheNext) {
  constexpr double kRate = 90e3;
  LinkMeter meter;
  std::int64_t at_us = kSecond;
  for (int transfer = 0; transfer < 4; ++transfer) {
    for (const std::size_t bytes : {5'000U, 120'000U}) {
      meter.queued(bytes, at_us);
      meter.completed(bytes, at_us, at_us + 10);  // a socket's buffer has taken it
      meter.flushing(0, at_us + 20);
      const auto took_us = static_cast<std::int64_t>(1e6 * static_cast<double>(bytes) / kRate);
      meter.flushed(at_us + 20, at_us + took_us);
      at_us += took_us;
      EXPECT_WITHIN(meter.estimate(at_us).free_bytes_per_s, kRate, 0.1) << bytes;
    }
    at_us += kSecond;
  }
}

TEST(LinkMeter, CallsInAnyOrderAndTimesThatStandStillAreHarmless) {
  LinkMeter meter;
  meter.flushed(5, 10);
  meter.nic({10, 0, 0.0}, 10);
  meter.nic({20, 0, 0.0}, 10);
  meter.dropped(5, 10);
  meter.completed(0, 10, 10);
  meter.completed(100, 10, 10);
  meter.completed(100, 20, 15);
  meter.flushed(20, 10);
  meter.round_trip(-5);
  const LinkEstimate link = meter.estimate(10);
  EXPECT_EQ(link.queued_bytes, 0U);
  EXPECT_GE(link.free_bytes_per_s, 0.0);
  EXPECT_GE(link.goodput_bytes_per_s, 0.0);
  EXPECT_LE(link.utilization, 1.0);
}

}  // namespace
}  // namespace sluice::comm
