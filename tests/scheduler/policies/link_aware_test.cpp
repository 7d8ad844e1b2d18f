// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/link_aware.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sluice::scheduler {
namespace {

constexpr double kMbit = 1e6 / 8;

// Raw, then four levels of a codec, each half the bytes of the one before.
LevelTable table() {
  LevelTable levels;
  levels.raw_bytes_per_token = 20'000;
  levels.prefill_s_per_token = 1e-3;
  levels.decode_s_per_output_token = 0.02;
  double bytes = 20'000;
  double kl = 0;
  for (int i = 0; i < 5; ++i, bytes /= 2, kl = kl * 3 + 0.001) {
    Level level;
    level.bytes_per_token = bytes;
    level.encode_s_per_token = i == 0 ? 0 : 5e-5;
    level.decode_s_per_token = i == 0 ? 0 : 5e-5;
    level.kl = kl;
    level.is_streaming = true;
    levels.levels.push_back(level);
  }
  return levels;
}

LinkState link(std::uint32_t prefill, std::uint32_t decode, double free) {
  LinkState made{prefill, decode, {}, 0};
  made.figures.capacity_bytes_per_s = made.figures.free_bytes_per_s = free;
  return made;
}

// Prefill workers 1 and 2, decode workers 3 and 4, all idle, all links fast.
Snapshot cluster(const LevelTable& levels) {
  Snapshot snapshot;
  snapshot.prefill = {{.node = 1}, {.node = 2}};
  snapshot.decode = {{.node = 3}, {.node = 4}};
  for (const std::uint32_t prefill : {1U, 2U}) {
    for (const std::uint32_t decode : {3U, 4U}) {
      snapshot.links.push_back(link(prefill, decode, 10'000 * kMbit));
    }
  }
  snapshot.levels = &levels;
  return snapshot;
}

void set_rates(Snapshot& snapshot, double rate) {
  for (LinkState& one : snapshot.links) one.figures.free_bytes_per_s = rate;
}

const RequestShape kRequest{.prompt_tokens = 1000, .output_tokens_max = 100, .ttft_slo_s = 2.0};

Decision decide(const Snapshot& snapshot, const RequestShape& request,
                const PolicyOptions& options = {}) {
  const Result<Decision> decision = create_link_aware(options)->decide(snapshot, request);
  EXPECT_TRUE(decision.has_value());
  return decision ? *decision : Decision{};
}

TEST(LinkAware, AFastLinkIsUsedWithoutLoss) {
  const LevelTable levels = table();
  const Decision decision = decide(cluster(levels), kRequest);
  EXPECT_EQ(decision.verdict, Verdict::kPlace);
  EXPECT_EQ(decision.level, 0);
  EXPECT_EQ(decision.reason, "least loss within the objective");
  EXPECT_GT(decision.prediction.ttft_s, 1.0);
  EXPECT_LT(decision.prediction.ttft_s, 1.8);
}

TEST(LinkAware, ASlowOneAsCoarselyAsItMust) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  set_rates(snapshot, 60 * kMbit);  // raw: 2.7 s, half: 1.3 s
  EXPECT_EQ(decide(snapshot, kRequest).level, 1);
  set_rates(snapshot, 30 * kMbit);
  EXPECT_EQ(decide(snapshot, kRequest).level, 2);
  set_rates(snapshot, 1 * kMbit);
  const Decision late = decide(snapshot, kRequest);
  EXPECT_EQ(late.level, 4);
  EXPECT_EQ(late.reason, "soonest, none is within the objective");
}

TEST(LinkAware, WhatWasWaitedIsGone) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  set_rates(snapshot, 110 * kMbit);
  EXPECT_EQ(decide(snapshot, kRequest).level, 0);
  RequestShape waited = kRequest;
  waited.waited_s = 0.6;
  EXPECT_EQ(decide(snapshot, waited).level, 1);
}

TEST(LinkAware, PrefersTheOneFastLink) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  set_rates(snapshot, 10 * kMbit);
  snapshot.links[2].figures.free_bytes_per_s = 1000 * kMbit;
  const Decision decision = decide(snapshot, kRequest);
  EXPECT_EQ(decision.prefill_node, 2U);
  EXPECT_EQ(decision.decode_node, 3U);
  EXPECT_EQ(decision.level, 0);
}

TEST(LinkAware, AvoidsANarrowUplink) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  snapshot.uplinks = {{0, {1}, true, {}}};
  snapshot.uplinks[0].figures.capacity_bytes_per_s = 50 * kMbit;
  snapshot.uplinks[0].figures.free_bytes_per_s = 50 * kMbit;
  EXPECT_EQ(decide(snapshot, kRequest).prefill_node, 2U);
}

TEST(LinkAware, WeighsQueuesCachesAndCrowds) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  snapshot.prefill[0].queued_tokens = 500;
  snapshot.prefill[0].requests = 1;
  snapshot.decode[0].requests = 2;
  Decision decision = decide(snapshot, kRequest);
  EXPECT_EQ(decision.prefill_node, 2U);
  EXPECT_EQ(decision.decode_node, 4U);
  snapshot.prefill[0].cached_tokens = 800;  // less to compute than the queue takes
  decision = decide(snapshot, kRequest);
  EXPECT_EQ(decision.prefill_node, 1U);
}

TEST(LinkAware, KeepsTheQualityFloor) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  set_rates(snapshot, 1 * kMbit);
  RequestShape request = kRequest;
  request.kl_max = levels.levels[2].kl;
  EXPECT_EQ(decide(snapshot, request).level, 2);
  request.kl_max = -1;  // nobody is as fine: the finest
  EXPECT_EQ(decide(snapshot, request).level, 0);
}

TEST(LinkAware, APinnedLevelStays) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  RequestShape request = kRequest;
  request.kl_max = 0.0;
  request.pinned_level = 3;
  EXPECT_EQ(decide(snapshot, request).level, 3);
  request.pinned_level = 99;
  EXPECT_EQ(decide(snapshot, request).level, -1);
  request.pinned_level = -1;
  request.is_pinned_elsewhere = true;
  set_rates(snapshot, 1 * kMbit);
  EXPECT_EQ(decide(snapshot, request).level, -1);
}

TEST(LinkAware, WithoutATableItStillPlaces) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  snapshot.levels = nullptr;
  snapshot.prefill[0].queued_tokens = 500;
  const Decision decision = decide(snapshot, kRequest);
  EXPECT_EQ(decision.prefill_node, 2U);
  EXPECT_EQ(decision.level, -1);
}

TEST(LinkAware, ShortPromptsMayStayWhereTheyAreDecoded) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  for (WorkerState& worker : snapshot.prefill) worker.queued_tokens = 3000;
  RequestShape request{.prompt_tokens = 30, .output_tokens_max = 10, .ttft_slo_s = 5.0};
  const PolicyOptions options{.local_tokens_max = 32};
  EXPECT_EQ(decide(snapshot, request).verdict, Verdict::kPlace);
  const Decision local = decide(snapshot, request, options);
  EXPECT_EQ(local.verdict, Verdict::kLocal);
  EXPECT_EQ(local.decode_node, 3U);
  EXPECT_EQ(local.level, -1);
  request.prompt_tokens = 33;
  EXPECT_EQ(decide(snapshot, request, options).verdict, Verdict::kPlace);
  snapshot.decode[1].cached_tokens = 8;
  EXPECT_EQ(decide(snapshot, request, options).decode_node, 4U);
  request.is_pinned_elsewhere = true;
  EXPECT_EQ(decide(snapshot, request, options).verdict, Verdict::kPlace);
}

TEST(LinkAware, ShortPromptsNeedNoPrefillWorker) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  snapshot.prefill.clear();
  const auto policy = create_link_aware({.local_tokens_max = 32});
  const auto local = policy->decide(snapshot, {.prompt_tokens = 30, .output_tokens_max = 10});
  ASSERT_TRUE(local.has_value());
  EXPECT_EQ(local->verdict, Verdict::kLocal);
  EXPECT_FALSE(policy->decide(snapshot, kRequest).has_value());
}

TEST(LinkAware, WaitsForMemory) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  snapshot.decode[0].free_tokens = 1099;
  snapshot.decode[1].free_tokens = 1100;
  EXPECT_EQ(decide(snapshot, kRequest).decode_node, 4U);
  snapshot.decode[1].free_tokens = 1099;
  const Decision decision = decide(snapshot, kRequest);
  EXPECT_EQ(decision.verdict, Verdict::kWait);
  EXPECT_EQ(decision.reason, "no decode worker has room");
}

// Prefill alone is later than the objective: no level would help, so none is taken.
TEST(LinkAware, AnObjectiveThatIsOutOfReachCostsNoQuality) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  for (WorkerState& worker : snapshot.prefill) worker.queued_tokens = 5000;
  EXPECT_EQ(decide(snapshot, kRequest).level, 0);
  RequestShape late = kRequest;
  late.waited_s = 10.0;
  EXPECT_EQ(decide(snapshot, late).level, 0);
}

TEST(LinkAware, TellsWhatItLookedAt) {
  const LevelTable levels = table();
  const Snapshot snapshot = cluster(levels);
  std::vector<Alternative> alternatives;
  const auto policy = create_link_aware({});
  const Result<Decision> decision = policy->decide(snapshot, kRequest, &alternatives);
  ASSERT_TRUE(decision.has_value());
  EXPECT_EQ(alternatives.size(), 4U * 5U);
  EXPECT_EQ(std::count_if(alternatives.begin(), alternatives.end(),
                          [&](const Alternative& one) {
                            return one.prefill_node == decision->prefill_node &&
                                   one.decode_node == decision->decode_node &&
                                   one.level == decision->level &&
                                   one.prediction.ttft_s == decision->prediction.ttft_s;
                          }),
            1);
}

// The rate wavers by 5 % around every value: levels do not alternate from request to request.
TEST(LinkAware, AWaveringLinkDoesNotMakeRequestsAlternate) {
  const LevelTable levels = table();
  std::mt19937 random(3);
  int changes_without_memory = 0;
  for (double rate = 4 * kMbit; rate < 200 * kMbit; rate *= 1.03) {
    Snapshot snapshot = cluster(levels);
    snapshot.prefill.resize(1);
    snapshot.decode.resize(1);
    const auto policy = create_link_aware({});
    int changes = 0;
    std::int32_t last = -1;
    std::int32_t last_without = -1;
    for (int i = 0; i < 40; ++i) {
      const double wave = 0.95 + 0.1 * static_cast<double>(random()) / 4294967296.0;
      set_rates(snapshot, rate * wave);
      const std::int32_t level = policy->decide(snapshot, kRequest)->level;
      changes += last >= 0 && level != last ? 1 : 0;
      last = level;
      const std::int32_t without = decide(snapshot, kRequest).level;
      changes_without_memory += last_without >= 0 && without != last_without ? 1 : 0;
      last_without = without;
    }
    EXPECT_LE(changes, 1) << rate / kMbit << " Mbit/s";
  }
  EXPECT_GT(changes_without_memory, 50) << "the test would show nothing";
}

TEST(LinkAware, ComesBackWhenTheLinkDoes) {
  const LevelTable levels = table();
  Snapshot snapshot = cluster(levels);
  const auto policy = create_link_aware({});
  for (int i = 0; i < 3; ++i) {
    set_rates(snapshot, 30 * kMbit);
    EXPECT_EQ(policy->decide(snapshot, kRequest)->level, 2);
    set_rates(snapshot, 1000 * kMbit);
    EXPECT_EQ(policy->decide(snapshot, kRequest)->level, 0);
  }
}

double draw(std::mt19937& random, double most) {
  return most * static_cast<double>(random()) / 4294967296.0;
}

std::vector<WorkerState> random_workers(std::mt19937& random, std::uint32_t first) {
  std::vector<WorkerState> workers(1 + random() % 12);
  for (std::size_t i = 0; i < workers.size(); ++i) {
    WorkerState& worker = workers[i];
    worker.node = first + static_cast<std::uint32_t>(i);
    worker.alive = random() % 5 != 0;
    worker.requests = static_cast<std::int64_t>(random() % 5);
    worker.queued_tokens = static_cast<std::int64_t>(random() % 5) * 700;
    worker.free_tokens = static_cast<std::int64_t>(random() % 6) * 1000 - 1;
    worker.cached_tokens = random() % 3 == 0 ? static_cast<std::int64_t>(random() % 20) * 64 : 0;
    worker.codec_slowness = 0.5 + draw(random, 2);
    if (random() % 2 == 0) worker.prefill_speed = {draw(random, 0.1), draw(random, 2e-3), 0};
    if (random() % 2 == 0) worker.step_s = draw(random, 0.05);
  }
  return workers;
}

// Levels whose loss grows as their bytes fall; a coarser one is no dearer to code.
LevelTable random_table(std::mt19937& random) {
  LevelTable levels = table();
  levels.levels.resize(1);
  double codec_s = draw(random, 1e-3);
  for (double bytes = 20'000; levels.levels.size() < 2 + random() % 9;) {
    Level level;
    bytes *= 0.5 + draw(random, 0.45);
    codec_s *= 0.5 + draw(random, 0.5);
    level.bytes_per_token = bytes;
    level.bytes_fixed = levels.levels.size() == 1 ? 5000 : 0;
    level.encode_s_per_token = level.decode_s_per_token = codec_s;
    level.kl = levels.levels.back().kl + draw(random, 0.05);
    level.is_streaming = true;
    levels.levels.push_back(level);
  }
  return levels;
}

Snapshot random_snapshot(std::mt19937& random, const LevelTable& levels) {
  Snapshot snapshot;
  snapshot.prefill = random_workers(random, 1);
  snapshot.decode = random_workers(random, 20);
  snapshot.levels = random() % 8 == 0 ? nullptr : &levels;
  snapshot.assumed_bytes_per_s = random() % 4 == 0 ? 0 : 1e5 + draw(random, 1e8);
  for (const WorkerState& prefill : snapshot.prefill) {
    for (const WorkerState& decode : snapshot.decode) {
      if (random() % 3 == 0) continue;
      LinkState one = link(prefill.node, decode.node, 1e5 + draw(random, 5e7));
      one.figures.queued_bytes = random() % 2 == 0 ? 0 : random() % 20'000'000;
      one.round_trip_us = static_cast<std::int64_t>(random() % 50'000);
      snapshot.links.push_back(one);
    }
  }
  if (random() % 2 == 0) {
    snapshot.uplinks = {
        {0, {1, 2, 3}, true, {}}, {0, {1, 2, 3}, false, {}}, {1, {20, 22}, false, {}}};
    for (UplinkState& uplink : snapshot.uplinks) {
      uplink.figures.capacity_bytes_per_s = 1e6 + draw(random, 1e8);
      uplink.figures.free_bytes_per_s = draw(random, uplink.figures.capacity_bytes_per_s);
    }
  }
  return snapshot;
}

RequestShape random_request(std::mt19937& random) {
  RequestShape request;
  request.prompt_tokens = 1 + static_cast<std::int64_t>(random() % 3000);
  request.output_tokens_max = static_cast<std::int64_t>(random() % 500);
  request.question_tokens = static_cast<std::int64_t>(random() % 100);
  request.ttft_slo_s = 0.1 + draw(random, 10);
  request.waited_s = random() % 3 == 0 ? draw(random, 3) : 0.0;
  if (random() % 2 == 0) request.kl_max = draw(random, 0.2);
  return request;
}

const WorkerState* find(const std::vector<WorkerState>& workers, std::uint32_t node) {
  const auto found = std::find_if(workers.begin(), workers.end(),
                                  [&](const WorkerState& one) { return one.node == node; });
  return found == workers.end() ? nullptr : &*found;
}

bool any_alive(const std::vector<WorkerState>& workers) {
  return std::any_of(workers.begin(), workers.end(), [](const auto& one) { return one.alive; });
}

TEST(LinkAwareProperty, NeverExceedsMemoryNorPicksTheDead) {
  std::mt19937 random(4);
  const auto policy = create_link_aware({.local_tokens_max = 64});
  int placed = 0;
  int waits = 0;
  for (int trial = 0; trial < 5000; ++trial) {
    const LevelTable levels = random_table(random);
    const Snapshot snapshot = random_snapshot(random, levels);
    const RequestShape request = random_request(random);
    const Result<Decision> decision = policy->decide(snapshot, request);
    if (!decision) {
      EXPECT_EQ(decision.error().code, ErrorCode::kUnavailable);
      EXPECT_FALSE(any_alive(snapshot.prefill) && any_alive(snapshot.decode));
      continue;
    }
    const std::int64_t needed = request.prompt_tokens + request.output_tokens_max;
    if (decision->verdict == Verdict::kWait) {
      for (const WorkerState& worker : snapshot.decode) {
        EXPECT_TRUE(!worker.alive || (worker.free_tokens >= 0 && worker.free_tokens < needed));
      }
      ++waits;
      continue;
    }
    const WorkerState* decode = find(snapshot.decode, decision->decode_node);
    ASSERT_NE(decode, nullptr);
    EXPECT_TRUE(decode->alive);
    EXPECT_TRUE(decode->free_tokens < 0 || decode->free_tokens >= needed);
    if (decision->verdict == Verdict::kPlace) {
      const WorkerState* prefill = find(snapshot.prefill, decision->prefill_node);
      ASSERT_NE(prefill, nullptr);
      EXPECT_TRUE(prefill->alive);
      EXPECT_EQ(decision->level >= 0, snapshot.levels != nullptr);
    } else {
      EXPECT_LE(request.prompt_tokens - decode->cached_tokens, 64);
    }
    ++placed;
  }
  EXPECT_GT(placed, 1000);
  EXPECT_GT(waits, 100);
}

TEST(LinkAwareProperty, IsDeterministicWhateverTheOrder) {
  std::mt19937 random(5);
  const auto one = create_link_aware({.local_tokens_max = 64});
  const auto two = create_link_aware({.local_tokens_max = 64});
  for (int trial = 0; trial < 3000; ++trial) {
    const LevelTable levels = random_table(random);
    Snapshot snapshot = random_snapshot(random, levels);
    const RequestShape request = random_request(random);
    const Result<Decision> first = one->decide(snapshot, request);
    std::shuffle(snapshot.prefill.begin(), snapshot.prefill.end(), random);
    std::shuffle(snapshot.decode.begin(), snapshot.decode.end(), random);
    std::vector<Alternative> alternatives;  // asking for them changes nothing
    const Result<Decision> second = two->decide(snapshot, request, &alternatives);
    ASSERT_EQ(first.has_value(), second.has_value());
    if (!first) continue;
    EXPECT_EQ(first->verdict, second->verdict);
    EXPECT_EQ(first->prefill_node, second->prefill_node);
    EXPECT_EQ(first->decode_node, second->decode_node);
    EXPECT_EQ(first->level, second->level);
    EXPECT_EQ(first->prediction.ttft_s, second->prediction.ttft_s);
  }
}

// Of one pair, whether or not it is in time.
TEST(LinkAwareProperty, AFasterLinkNeverGivesACoarserLevel) {
  std::mt19937 random(6);
  int finer = 0;
  for (int trial = 0; trial < 5000; ++trial) {
    const LevelTable levels = random_table(random);
    Snapshot snapshot;
    snapshot.prefill = random_workers(random, 1);
    snapshot.decode = random_workers(random, 2);
    snapshot.prefill.resize(1);
    snapshot.decode.resize(1);
    snapshot.prefill[0].alive = snapshot.decode[0].alive = true;
    snapshot.decode[0].free_tokens = -1;
    snapshot.links = {link(1, 2, 1e5 + draw(random, 2e7))};
    snapshot.links[0].figures.queued_bytes = random() % 2 == 0 ? 0 : random() % 5'000'000;
    snapshot.levels = &levels;
    const RequestShape request = random_request(random);
    const Decision slow = decide(snapshot, request);
    snapshot.links[0].figures.free_bytes_per_s *= 1.0 + draw(random, 3);
    const Decision fast = decide(snapshot, request);
    EXPECT_LE(fast.prediction.kl, slow.prediction.kl);
    EXPECT_LE(fast.level, slow.level);
    finer += fast.level < slow.level ? 1 : 0;
  }
  EXPECT_GT(finer, 300);
}

// Of many pairs of which one becomes faster: what was in time loses no quality, and all that was
// late is no later.
TEST(LinkAwareProperty, AFasterLinkAmongOthersCostsNoQuality) {
  std::mt19937 random(7);
  int changed = 0;
  for (int trial = 0; trial < 5000; ++trial) {
    const LevelTable levels = random_table(random);
    Snapshot snapshot = random_snapshot(random, levels);
    if (snapshot.levels == nullptr || snapshot.links.empty()) continue;
    const RequestShape request = random_request(random);
    const auto before = create_link_aware({})->decide(snapshot, request);
    if (!before || before->verdict != Verdict::kPlace) continue;
    LinkFigures& figures = snapshot.links[random() % snapshot.links.size()].figures;
    figures.free_bytes_per_s *= 1.0 + draw(random, 20);
    const Decision after = decide(snapshot, request);
    if (before->reason == "least loss within the objective") {
      EXPECT_LE(after.prediction.kl, before->prediction.kl);
      EXPECT_EQ(after.reason, before->reason);
    }
    changed += after.prediction.ttft_s != before->prediction.ttft_s ? 1 : 0;
  }
  EXPECT_GT(changed, 100);
}

}  // namespace
}  // namespace sluice::scheduler
