// SPDX-License-Identifier: Apache-2.0
#include "scheduler/role_balance.hpp"

#include <gtest/gtest.h>

namespace sluice::scheduler {
namespace {

constexpr RoleBalanceOptions kOptions{
    .imbalance = 4.0, .backlog_s = 2.0, .hold_s = 10.0, .rest_s = 60.0};

WorkerState prefill(std::uint32_t node, double waiting_s) {
  WorkerState worker;
  worker.node = node;
  worker.requests = waiting_s > 0 ? 1 : 0;
  worker.queued_tokens = static_cast<std::int64_t>(waiting_s * 1000);
  worker.prefill_speed.s_per_token = 1e-3;
  return worker;
}

// Full, so that all its work is waited for.
WorkerState decode(std::uint32_t node, double waiting_s) {
  WorkerState worker;
  worker.node = node;
  worker.requests = waiting_s > 0 ? 1 : 0;
  worker.queued_tokens = static_cast<std::int64_t>(waiting_s * 100);
  worker.free_tokens = 0;
  worker.step_s = 0.01;
  return worker;
}

Snapshot starving_prefill() {
  return {{prefill(1, 9), prefill(2, 9)}, {decode(3, 1), decode(4, 0.5), decode(5, 0.5)}};
}

TEST(RoleBalance, TheIdlestOfTheOtherSideSwitchesAfterTheHold) {
  RoleBalance balance(kOptions);
  EXPECT_FALSE(balance.decide(starving_prefill(), 100));
  EXPECT_FALSE(balance.decide(starving_prefill(), 109.9));
  const auto change = balance.decide(starving_prefill(), 110);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->node, 4U);  // of 4 and 5, which have equally little, the lowest
  EXPECT_TRUE(change->to_prefill);
}

TEST(RoleBalance, ItGoesTheOtherWayToo) {
  RoleBalance balance(kOptions);
  const Snapshot snapshot = {{prefill(1, 0.2), prefill(2, 0.1)}, {decode(3, 9)}};
  EXPECT_FALSE(balance.decide(snapshot, 0));
  const auto change = balance.decide(snapshot, 10);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->node, 2U);
  EXPECT_FALSE(change->to_prefill);
}

// Work that is just below either bound moves nobody, however long; and just above, it does.
TEST(RoleBalance, BothBoundsCount) {
  for (const auto& [waiting_s, other_s, switches] :
       {std::tuple(1.9, 0.0, false), std::tuple(2.1, 0.0, true), std::tuple(9.0, 2.3, false),
        std::tuple(9.0, 2.2, true)}) {
    RoleBalance balance(kOptions);
    const Snapshot snapshot = {{prefill(1, waiting_s)}, {decode(2, other_s), decode(3, other_s)}};
    EXPECT_FALSE(balance.decide(snapshot, 0));
    EXPECT_EQ(balance.decide(snapshot, 1000).has_value(), switches) << waiting_s << " " << other_s;
  }
}

TEST(RoleBalance, AnInterruptionBeginsTheHoldAnew) {
  RoleBalance balance(kOptions);
  EXPECT_FALSE(balance.decide(starving_prefill(), 0));
  EXPECT_FALSE(balance.decide({{prefill(1, 1)}, {decode(3, 1), decode(4, 1)}}, 9));
  EXPECT_FALSE(balance.decide(starving_prefill(), 9.5));
  EXPECT_FALSE(balance.decide(starving_prefill(), 19));
  EXPECT_TRUE(balance.decide(starving_prefill(), 19.5));
}

// Load that swings from side to side faster than the hold switches nobody.
TEST(RoleBalance, ASwingingLoadSwitchesNobody) {
  RoleBalance balance(kOptions);
  const Snapshot other = {{prefill(1, 0), prefill(2, 0)}, {decode(3, 9), decode(4, 9)}};
  for (int second = 0; second < 1000; ++second) {
    const bool is_first = second / 9 % 2 == 0;
    EXPECT_FALSE(balance.decide(is_first ? starving_prefill() : other, second)) << second;
  }
}

TEST(RoleBalance, AfterASwitchAllRest) {
  RoleBalance balance(kOptions);
  EXPECT_FALSE(balance.decide(starving_prefill(), 0));
  EXPECT_TRUE(balance.decide(starving_prefill(), 10));
  for (int second = 11; second < 70; ++second) {
    EXPECT_FALSE(balance.decide(starving_prefill(), second)) << second;
  }
  EXPECT_TRUE(balance.decide(starving_prefill(), 70));
}

// The next one is held for as long, however short the rest is.
TEST(RoleBalance, EachSwitchIsHeldForItself) {
  RoleBalanceOptions options = kOptions;
  options.rest_s = 1.0;
  RoleBalance balance(options);
  EXPECT_FALSE(balance.decide(starving_prefill(), 0));
  EXPECT_TRUE(balance.decide(starving_prefill(), 10));
  EXPECT_FALSE(balance.decide(starving_prefill(), 19.9));
  EXPECT_TRUE(balance.decide(starving_prefill(), 20));
}

TEST(RoleBalance, TheLastWorkerOfARoleNeverSwitches) {
  RoleBalance balance(kOptions);
  Snapshot snapshot = {{prefill(1, 100)}, {decode(2, 0), decode(3, 0)}};
  snapshot.decode[1].alive = false;  // who is not alive is none of the role's workers
  EXPECT_FALSE(balance.decide(snapshot, 0));
  EXPECT_FALSE(balance.decide(snapshot, 1000));
  snapshot.decode[1].alive = true;
  EXPECT_FALSE(balance.decide(snapshot, 2000));
  EXPECT_TRUE(balance.decide(snapshot, 2010));
}

TEST(RoleBalance, ARoleWithoutAWorkerGetsOne) {
  RoleBalance balance(kOptions);
  Snapshot snapshot = {{prefill(1, 0)}, {decode(2, 5), decode(3, 1)}};
  snapshot.prefill[0].alive = false;
  EXPECT_FALSE(balance.decide(snapshot, 0));
  const auto change = balance.decide(snapshot, 10);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->node, 3U);
  EXPECT_TRUE(change->to_prefill);
}

// Long answers on workers with room are no reason: whoever comes is served beside them.
TEST(RoleBalance, DecodeWorkersWithRoomDoNotStarve) {
  RoleBalance balance(kOptions);
  Snapshot snapshot = {{prefill(1, 0), prefill(2, 0)}, {decode(3, 30)}};
  snapshot.decode[0].free_tokens = 100'000;
  EXPECT_FALSE(balance.decide(snapshot, 0));
  EXPECT_FALSE(balance.decide(snapshot, 100));
  snapshot.decode[0].free_tokens = 100;
  EXPECT_FALSE(balance.decide(snapshot, 200));
  EXPECT_TRUE(balance.decide(snapshot, 210));
}

TEST(RoleBalance, WithoutSpeedsTheLevelTablesAreUsed) {
  LevelTable levels;
  levels.prefill_s_per_token = 1e-2;
  Snapshot snapshot = {{prefill(1, 0.3)}, {decode(2, 0), decode(3, 0)}};
  snapshot.prefill[0].prefill_speed = {};
  RoleBalance without(kOptions);
  EXPECT_FALSE(without.decide(snapshot, 0));
  EXPECT_FALSE(without.decide(snapshot, 10));
  snapshot.levels = &levels;  // ten times as slow as what is assumed
  RoleBalance with(kOptions);
  EXPECT_FALSE(with.decide(snapshot, 0));
  EXPECT_TRUE(with.decide(snapshot, 10));
}

}  // namespace
}  // namespace sluice::scheduler
