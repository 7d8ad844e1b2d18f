// SPDX-License-Identifier: Apache-2.0
#include "scheduler/admission.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <random>

namespace sluice::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

constexpr double kForever = std::numeric_limits<double>::infinity();

SloClass slo_class(double ttft_s, double ageing = 0.0, bool may_reject = true) {
  return {.name = "class", .ttft_s = ttft_s, .ageing = ageing, .may_reject = may_reject};
}

QueuedRequest request(std::uint64_t id, double arrived_s, std::int32_t of_class = 0,
                      std::int64_t tokens = 100) {
  return {.id = id, .slo_class = of_class, .prompt_tokens = tokens, .arrived_s = arrived_s};
}

// Of the queue's front until nobody waits, at one moment.
std::vector<std::uint64_t> order(AdmissionQueue queue, double now_s) {
  std::vector<std::uint64_t> ids;
  while (const auto id = queue.front(now_s)) {
    ids.push_back(*id);
    queue.remove(*id);
  }
  return ids;
}

TEST(AdmissionQueue, GoesByDeadline) {
  AdmissionQueue queue({slo_class(1), slo_class(10)}, 100);
  EXPECT_EQ(queue.front(0), std::nullopt);
  EXPECT_FALSE(queue.offer(request(1, 0, 1), {}, 0));  // due at 10
  EXPECT_FALSE(queue.offer(request(2, 5, 0), {}, 5));  // 6
  EXPECT_FALSE(queue.offer(request(3, 6, 0), {}, 6));  // 7
  EXPECT_FALSE(queue.offer(request(4, 9.5, 0), {}, 9.5));
  EXPECT_FALSE(queue.offer(request(5, 5, 0), {}, 5));  // 6, too
  EXPECT_THAT(order(queue, 10), ElementsAre(2, 5, 3, 1, 4));
  EXPECT_EQ(queue.size(), 5U);
  EXPECT_EQ(queue.prompt_tokens(), 500);
}

TEST(AdmissionQueue, AgeingBringsThePatientForward) {
  AdmissionQueue queue({slo_class(1), slo_class(100, 9.0)}, 100);
  EXPECT_FALSE(queue.offer(request(1, 0, 1), {}, 0));
  EXPECT_FALSE(queue.offer(request(2, 8, 0), {}, 8));
  EXPECT_THAT(queue.front(9), Optional(2U));     // 100 - 81 against 9
  EXPECT_THAT(queue.front(10.5), Optional(1U));  // 100 - 94.5 against 9
}

TEST(AdmissionQueue, WhatIsRemovedIsGone) {
  AdmissionQueue queue({slo_class(10)}, 100);
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_FALSE(queue.offer(request(id, 0), {}, 0));
  queue.remove(1);
  queue.remove(1);
  queue.remove(77);
  EXPECT_THAT(order(queue, 0), ElementsAre(2, 3));
  EXPECT_EQ(queue.prompt_tokens(), 200);
}

TEST(AdmissionQueue, AnIdThatComesAgainTakesItsNewPlace) {
  AdmissionQueue queue({slo_class(10)}, 100);
  EXPECT_FALSE(queue.offer(request(1, 0), {}, 0));
  EXPECT_FALSE(queue.offer(request(2, 1), {}, 1));
  EXPECT_FALSE(queue.offer(request(1, 2), {}, 2));
  EXPECT_THAT(order(queue, 2), ElementsAre(2, 1));
}

TEST(AdmissionQueue, AnUnknownClassIsTheFirst) {
  AdmissionQueue queue({slo_class(1)}, 100);
  EXPECT_TRUE(queue.offer(request(1, 0, 7), {.backlog_s = 2}, 0));
  EXPECT_TRUE(queue.offer(request(1, 0, -1), {.backlog_s = 2}, 0));
  EXPECT_FALSE(queue.offer(request(1, 0, -1), {.backlog_s = 0.5}, 0));
  queue.remove(1);
  EXPECT_EQ(queue.size(), 0U);
  EXPECT_EQ(AdmissionQueue({}, 1).classes().size(), 1U);
}

TEST(AdmissionQueue, RefusesWhatCannotBeInTime) {
  AdmissionQueue queue({slo_class(10), slo_class(10, 0, false)}, 100);
  EXPECT_FALSE(queue.offer(request(1, 0), {.backlog_s = 7.9, .service_s = 2}, 0));
  const auto refusal = queue.offer(request(2, 0), {.backlog_s = 11, .service_s = 2}, 0);
  ASSERT_TRUE(refusal);
  EXPECT_DOUBLE_EQ(refusal->retry_after_s, 3.0);
  EXPECT_STREQ(refusal->reason, "its objective cannot be met behind what waits");
  // What it has waited already counts.
  EXPECT_TRUE(queue.offer(request(3, 0), {.backlog_s = 7.9, .service_s = 2}, 1));
  // The class that waits, however long.
  EXPECT_FALSE(queue.offer(request(4, 0, 1), {.backlog_s = 1000, .service_s = 2}, 0));
  EXPECT_EQ(queue.size(), 2U);
}

TEST(AdmissionQueue, AFullQueueRefusesEverybody) {
  AdmissionQueue queue({slo_class(kForever, 0, false)}, 2);
  EXPECT_FALSE(queue.offer(request(1, 0), {}, 0));
  EXPECT_FALSE(queue.offer(request(2, 0), {}, 0));
  const auto refusal = queue.offer(request(3, 0), {.backlog_s = 30}, 0);
  ASSERT_TRUE(refusal);
  EXPECT_STREQ(refusal->reason, "the queue is full");
  EXPECT_DOUBLE_EQ(refusal->retry_after_s, 15.0);  // when one of the two will have gone
  queue.remove(1);
  EXPECT_FALSE(queue.offer(request(3, 0), {.backlog_s = 30}, 0));
}

TEST(AdmissionQueue, OneClassCannotTakeAllPlaces) {
  AdmissionQueue queue({slo_class(100), slo_class(100)}, 8);
  std::uint64_t id = 0;
  while (!queue.offer(request(++id, 0, 0), {}, 0)) ASSERT_LT(id, 100U);
  EXPECT_EQ(queue.size(), 6U);
  EXPECT_FALSE(queue.offer(request(++id, 0, 1), {}, 0));
  EXPECT_FALSE(queue.offer(request(++id, 0, 1), {}, 0));
  EXPECT_TRUE(queue.offer(request(++id, 0, 1), {}, 0));
  EXPECT_TRUE(queue.offer(request(++id, 0, 0), {}, 0));
  EXPECT_EQ(queue.size(), 8U);
}

// A tight request is not refused for the patient ones that it overtakes, a patient one is not taken
// on the ground that it is alone in its class.
TEST(AdmissionQueue, OnlyWhatIsServedFirstIsAhead) {
  AdmissionQueue queue({slo_class(1), slo_class(100)}, 100);
  const AdmissionOutlook outlook = {.backlog_s = 0.1, .service_s = 0.1, .queue_s_per_token = 1e-3};
  EXPECT_FALSE(queue.offer(request(1, 0, 1, 20'000), outlook, 0));
  EXPECT_FALSE(queue.offer(request(2, 0, 0, 500), outlook, 0));
  EXPECT_FALSE(queue.offer(request(3, 0, 0, 500), outlook, 0));     // 0.6 s ahead of it
  EXPECT_TRUE(queue.offer(request(4, 0, 0, 500), outlook, 0));      // 1.1 s
  EXPECT_FALSE(queue.offer(request(5, 0, 1, 85'000), outlook, 0));  // 21 s
  EXPECT_TRUE(queue.offer(request(6, 0, 1, 100), outlook, 0));      // 106 s
  queue.remove(2);
  queue.remove(3);
  EXPECT_FALSE(queue.offer(request(7, 98, 0, 500), outlook, 98));
  queue.remove(7);
  // By now the patient ones are due before a new tight one.
  EXPECT_TRUE(queue.offer(request(8, 99.5, 0, 500), outlook, 99.5));
}

// How many of each class are taken per second, where each asks for this many requests of 1,000
// tokens per second, and the cluster can do one.
std::pair<double, double> admitted_per_s(double first, double second) {
  AdmissionQueue queue({slo_class(2), slo_class(60)}, 1000);
  const AdmissionOutlook outlook = {.backlog_s = 0.1, .queue_s_per_token = 1e-3};
  std::array<double, 2> asked{};
  std::array<int, 2> taken{};
  std::uint64_t id = 0;
  constexpr double kStep_s = 0.125;
  for (double now_s = 0.0; now_s < 1000.0; now_s += kStep_s) {
    for (const int of_class : {0, 1}) {
      double& due = asked[static_cast<std::size_t>(of_class)];
      due += kStep_s * (of_class == 0 ? first : second);
      if (due < 1.0) continue;
      due -= 1.0;
      if (queue.offer(request(++id, now_s, of_class, 1000), outlook, now_s)) continue;
      queue.remove(id);  // placed at once
      taken[static_cast<std::size_t>(of_class)] += now_s >= 500.0 ? 1 : 0;
    }
  }
  return {taken[0] / 500.0, taken[1] / 500.0};
}

TEST(AdmissionQueue, WhereAllAskForTooMuchTheyShareEqually) {
  const auto [first, second] = admitted_per_s(2, 4);
  EXPECT_NEAR(first, 0.5, 0.02);
  EXPECT_NEAR(second, 0.5, 0.02);
}

TEST(AdmissionQueue, WhatOneLeavesOfItsShareTheOtherHas) {
  const auto [first, second] = admitted_per_s(0.25, 4);
  EXPECT_NEAR(first, 0.25, 0.01);
  EXPECT_NEAR(second, 0.75, 0.02);
  const auto [most, least] = admitted_per_s(4, 0.125);
  EXPECT_NEAR(most, 0.875, 0.02);
  EXPECT_NEAR(least, 0.125, 0.01);
}

TEST(AdmissionQueue, WithinTheCapacityAllAreTaken) {
  const auto [first, second] = admitted_per_s(0.25, 0.5);
  EXPECT_NEAR(first, 0.25, 0.01);
  EXPECT_NEAR(second, 0.5, 0.01);
}

// Shares are of what is busy: an idle worker takes whoever comes.
TEST(AdmissionQueue, WhatLiesIdleIsHadBeyondTheShare) {
  AdmissionQueue queue({slo_class(2), slo_class(60)}, 100);
  const AdmissionOutlook idle = {.queue_s_per_token = 1e-3};
  const AdmissionOutlook busy = {.backlog_s = 0.1, .queue_s_per_token = 1e-3};
  EXPECT_FALSE(queue.offer(request(1, 0, 0, 30'000), idle, 0));
  queue.remove(1);  // placed at once
  EXPECT_TRUE(queue.offer(request(2, 1), busy, 1));
  EXPECT_FALSE(queue.offer(request(2, 1), idle, 1));
}

// Thirty seconds of work of a class that is never refused: the rest of it does not go before one
// that is due in time.
TEST(AdmissionQueue, BeyondItsShareANeverRefusedClassIsDueLater) {
  AdmissionQueue queue({slo_class(10), slo_class(10, 0, false)}, 100);
  const AdmissionOutlook outlook = {.backlog_s = 0.1, .queue_s_per_token = 1e-3};
  for (std::uint64_t id = 0; id < 30; ++id) {
    EXPECT_FALSE(queue.offer(request(id, 0, 1, 1000), outlook, 0));  // due at `id`, or 10
  }
  EXPECT_FALSE(queue.offer(request(100, 5), {}, 5));
  const std::vector<std::uint64_t> ids = order(queue, 5);
  EXPECT_EQ(std::find(ids.begin(), ids.end(), 100U) - ids.begin(), 16);  // after 0 to 15
  EXPECT_EQ(ids.back(), 29U);
}

// Nothing that is longer than its objective is lost for that: it is served when there is nothing to
// do. And it is refused, with a time that can be kept, when there is.
TEST(AdmissionQueue, WhatIsTooLongForItsObjectiveIsServedWhenIdle) {
  AdmissionQueue queue({slo_class(10)}, 100);
  const QueuedRequest long_one = request(1, 0, 0, 50'000);
  const auto refusal = queue.offer(long_one, {.backlog_s = 5, .service_s = 50}, 0);
  ASSERT_TRUE(refusal);
  EXPECT_DOUBLE_EQ(refusal->retry_after_s, 4.0);
  EXPECT_FALSE(queue.offer(long_one, {.backlog_s = 1, .service_s = 50}, 0));
  EXPECT_THAT(queue.take_hopeless(1e-3, 0.9), ElementsAre());
  EXPECT_THAT(queue.take_hopeless(1e-3, 1.1), ElementsAre(1));
}

// Whoever retries after the time he was told, with the work that was ahead done so far, is taken.
TEST(AdmissionQueue, TheTimeToRetryIsTrue) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> seconds(0.0, 60.0);
  int refusals = 0;
  for (int i = 0; i < 2000; ++i) {
    AdmissionQueue queue({slo_class(seconds(random))}, 10);
    const AdmissionOutlook outlook = {.backlog_s = seconds(random), .service_s = seconds(random)};
    const auto refusal = queue.offer(request(1, 0), outlook, 0);
    if (!refusal) continue;
    ++refusals;
    const double later_s = refusal->retry_after_s + 1e-9;
    const AdmissionOutlook then = {.backlog_s = std::max(0.0, outlook.backlog_s - later_s),
                                   .service_s = outlook.service_s};
    EXPECT_FALSE(queue.offer(request(1, later_s), then, later_s));
    // And not much before it, unless it was the least that can be told.
    if (refusal->retry_after_s == 1.0) continue;
    const double early_s = refusal->retry_after_s - 0.01;
    const AdmissionOutlook before = {.backlog_s = outlook.backlog_s - early_s,
                                     .service_s = outlook.service_s};
    EXPECT_TRUE(queue.offer(request(2, early_s), before, early_s));
  }
  EXPECT_GT(refusals, 500);
}

TEST(AdmissionQueue, TheTimeToRetryIsBounded) {
  AdmissionQueue queue({slo_class(1)}, 10);
  const auto refusal = queue.offer(request(1, 0), {.backlog_s = kForever}, 0);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->retry_after_s, 3600.0);
}

TEST(AdmissionQueue, TakesTheHopelessOut) {
  AdmissionQueue queue({slo_class(10), slo_class(10, 0, false)}, 100);
  EXPECT_FALSE(queue.offer(request(1, 0, 0, 1000), {}, 0));  // hopeless after 9 s
  EXPECT_FALSE(queue.offer(request(2, 1, 0, 100), {}, 1));   // 10.9
  EXPECT_FALSE(queue.offer(request(3, 2, 0, 2000), {}, 2));  // 10
  EXPECT_FALSE(queue.offer(request(4, 0, 1, 9000), {}, 0));  // waits, however long
  EXPECT_THAT(queue.take_hopeless(1e-3, 8.9), ElementsAre());
  EXPECT_THAT(queue.take_hopeless(1e-3, 10.5), ElementsAre(1, 3));
  EXPECT_THAT(queue.take_hopeless(1e-3, 10.5), ElementsAre());
  EXPECT_THAT(queue.take_hopeless(1e-3, 1e6), ElementsAre(2));
  EXPECT_THAT(order(queue, 1e6), ElementsAre(4));
}

// Under a stream of tight requests that alone would fill the cluster, the patient are served within
// their objective, and those without a bound after the hour that stands for it at the latest.
TEST(AdmissionQueue, NobodyStarves) {
  AdmissionQueue queue({slo_class(1), slo_class(60, 0, false), slo_class(kForever, 0, false),
                        slo_class(kForever, 9.0, false)},
                       100'000);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    EXPECT_FALSE(queue.offer(request(id, 0, static_cast<std::int32_t>(id)), {}, 0));
  }
  std::vector<double> served_s(4, 0.0);
  std::uint64_t next = 10;
  for (int now_s = 0; now_s < 4000; ++now_s) {  // one comes and one is served each second
    EXPECT_FALSE(queue.offer(request(next++, now_s), {}, now_s));
    const auto id = queue.front(now_s);
    ASSERT_TRUE(id);
    queue.remove(*id);
    if (*id <= 3) served_s[*id] = now_s;
  }
  EXPECT_EQ(served_s[1], 59.0);  // as early as who is due then, too
  EXPECT_NEAR(served_s[2], 3600.0, 3.0);
  EXPECT_NEAR(served_s[3], 360.0, 3.0);  // ageing: ten times as soon
}

// Against the definition, computed over all: the front, and the sums.
TEST(AdmissionQueue, IsItsDefinitionOnRandomHistories) {
  std::mt19937 random(9);
  const std::vector<SloClass> classes = {slo_class(5, 1), slo_class(20, 0.5), slo_class(60, 3)};
  AdmissionQueue queue(classes, 60);
  std::map<std::uint64_t, QueuedRequest> model;
  double now_s = 0.0;
  for (std::uint64_t id = 1; id < 5000; ++id) {
    now_s += static_cast<double>(random() % 100) / 100;
    QueuedRequest one = request(id, now_s, static_cast<std::int32_t>(random() % 3));
    one.prompt_tokens = static_cast<std::int64_t>(random() % 1000);
    if (!queue.offer(one, {}, now_s)) model.emplace(id, one);
    const auto deadline = [&](const QueuedRequest& of) {
      const SloClass& by = classes[static_cast<std::size_t>(of.slo_class)];
      return of.arrived_s + by.ttft_s - by.ageing * (now_s - of.arrived_s);
    };
    const auto first = std::min_element(model.begin(), model.end(), [&](auto& a, auto& b) {
      return std::pair(deadline(a.second), a.first) < std::pair(deadline(b.second), b.first);
    });
    ASSERT_NE(first, model.end());
    ASSERT_THAT(queue.front(now_s), Optional(first->first));
    if (random() % 4 != 0) {
      const auto gone = random() % 2 == 0 ? first : model.begin();
      queue.remove(gone->first);
      model.erase(gone);
    }
    for (const std::uint64_t late : queue.take_hopeless(1e-3, now_s)) {
      const QueuedRequest& of = model.at(late);
      const double service_s = 1e-3 * static_cast<double>(of.prompt_tokens);
      const double ttft_s = classes[static_cast<std::size_t>(of.slo_class)].ttft_s;
      EXPECT_GT(now_s + service_s + 1e-6, of.arrived_s + ttft_s);
      model.erase(late);
    }
    std::int64_t tokens = 0;
    for (const auto& [key, value] : model) tokens += value.prompt_tokens;
    ASSERT_EQ(queue.prompt_tokens(), tokens);
    ASSERT_EQ(queue.size(), model.size());
    if (model.empty()) {
      EXPECT_FALSE(queue.offer(one, {}, now_s));
      model.emplace(id, one);
    }
  }
}

}  // namespace
}  // namespace sluice::scheduler
