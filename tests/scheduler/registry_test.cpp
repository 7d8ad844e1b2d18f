// SPDX-License-Identifier: Apache-2.0
// The table, and what every policy in it must hold, on random snapshots.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {
namespace {

constexpr RequestShape kRequest = {.prompt_tokens = 100, .output_tokens_max = 10};

std::vector<WorkerState> random_workers(std::mt19937& random) {
  // Few distinct loads, so that ties are common; nodes out of order and with gaps.
  std::vector<WorkerState> workers(random() % 6);
  std::vector<std::uint32_t> nodes = {0, 1, 3, 4, 9, 70000};
  std::shuffle(nodes.begin(), nodes.end(), random);
  for (std::size_t i = 0; i < workers.size(); ++i) {
    workers[i].node = nodes[i];
    workers[i].alive = random() % 4 != 0;
    workers[i].requests = static_cast<std::int64_t>(random() % 3);
    workers[i].queued_tokens = static_cast<std::int64_t>(random() % 3) * 1000;
    workers[i].cached_tokens = static_cast<std::int64_t>(random() % 3) * 32;
  }
  return workers;
}

LevelTable level_table() {
  LevelTable table;
  table.raw_bytes_per_token = 20'000;
  table.prefill_s_per_token = 1e-3;
  const double bytes[] = {10'000, 5'000, 4'000, 2'000, 1'000};
  const char* names[] = {"int8", "cachegen", "best", "cachegen_low", "cachegen_lowest"};
  for (int i = 0; i < 5; ++i) {
    Level level;
    level.pipeline = names[i];
    level.bytes_per_token = bytes[i];
    level.encode_s_per_token = 1e-5;
    level.decode_s_per_token = 1e-5;
    level.kl = 0.01 * (i + 1);
    table.levels.push_back(level);
  }
  return table;
}

std::vector<LinkState> random_links(const Snapshot& snapshot, std::mt19937& random) {
  std::vector<LinkState> links;
  for (const WorkerState& prefill : snapshot.prefill) {
    for (const WorkerState& decode : snapshot.decode) {
      if (random() % 3 == 0) continue;
      LinkState link = {.prefill_node = prefill.node, .decode_node = decode.node, .figures = {}};
      link.figures.free_bytes_per_s = 1e5 * static_cast<double>(1 + random() % 100);
      link.figures.capacity_bytes_per_s = 2 * link.figures.free_bytes_per_s;
      links.push_back(link);
    }
  }
  std::sort(links.begin(), links.end(), [](const LinkState& a, const LinkState& b) {
    return std::pair(a.prefill_node, a.decode_node) < std::pair(b.prefill_node, b.decode_node);
  });
  return links;
}

Snapshot random_snapshot(std::mt19937& random) {
  static const LevelTable levels = level_table();
  Snapshot snapshot;
  snapshot.prefill = random_workers(random);
  snapshot.decode = random_workers(random);
  snapshot.links = random_links(snapshot, random);
  if (random() % 2 == 0) snapshot.levels = &levels;
  return snapshot;
}

// Some know their memory: of those many have just enough, or just too little.
void set_memory(std::vector<WorkerState>& workers, std::mt19937& random) {
  for (WorkerState& worker : workers) {
    constexpr std::int64_t kFree[] = {-1, 0, 109, 110, 100'000};
    worker.free_tokens = kFree[random() % 5];
  }
}

const WorkerState* find(const std::vector<WorkerState>& workers, std::uint32_t node) {
  for (const WorkerState& worker : workers) {
    if (worker.node == node) return &worker;
  }
  return nullptr;
}

bool is_alive(const std::vector<WorkerState>& workers, std::uint32_t node) {
  const WorkerState* worker = find(workers, node);
  return worker != nullptr && worker->alive;
}

bool any_alive(const std::vector<WorkerState>& workers) {
  return std::any_of(workers.begin(), workers.end(),
                     [](const WorkerState& worker) { return worker.alive; });
}

class EveryPolicy : public ::testing::TestWithParam<PolicyRow> {};

TEST_P(EveryPolicy, ChoosesLiveWorkersOrIsUnavailable) {
  std::mt19937 random(1);
  const auto policy = GetParam().create({});
  int decisions = 0;
  int refusals = 0;
  for (int i = 0; i < 2000; ++i) {
    const Snapshot snapshot = random_snapshot(random);
    const Result<Decision> decision = policy->decide(snapshot, kRequest);
    if (any_alive(snapshot.prefill) && any_alive(snapshot.decode)) {
      ASSERT_TRUE(decision.has_value());
      EXPECT_EQ(decision->verdict, Verdict::kPlace);  // no memory is known to lack
      EXPECT_TRUE(is_alive(snapshot.prefill, decision->prefill_node));
      EXPECT_TRUE(is_alive(snapshot.decode, decision->decode_node));
      EXPECT_FALSE(decision->reason.empty());
      const std::size_t levels = snapshot.levels == nullptr ? 0 : snapshot.levels->levels.size();
      EXPECT_GE(decision->level, -1);
      EXPECT_LT(decision->level, static_cast<std::int32_t>(levels));
      ++decisions;
    } else {
      ASSERT_FALSE(decision.has_value());
      EXPECT_EQ(decision.error().code, ErrorCode::kUnavailable);
      ++refusals;
    }
  }
  EXPECT_GT(decisions, 100);
  EXPECT_GT(refusals, 100);
}

// The prompt and all output tokens fit into what is free; where nobody has as much, it waits.
TEST_P(EveryPolicy, NeverExceedsMemory) {
  std::mt19937 random(4);
  const auto policy = GetParam().create({});
  int placed_on_known = 0;
  int waits = 0;
  for (int i = 0; i < 4000; ++i) {
    Snapshot snapshot = random_snapshot(random);
    set_memory(snapshot.decode, random);
    const Result<Decision> decision = policy->decide(snapshot, kRequest);
    if (!decision) continue;
    if (decision->verdict == Verdict::kWait) {
      ++waits;
      // Memory is what lacks: nobody is known to have all that it takes, and much more.
      for (const WorkerState& worker : snapshot.decode) {
        EXPECT_FALSE(worker.alive && (worker.free_tokens == -1 || worker.free_tokens == 100'000));
      }
      continue;
    }
    ASSERT_EQ(decision->verdict, Verdict::kPlace);
    const WorkerState* decode = find(snapshot.decode, decision->decode_node);
    ASSERT_NE(decode, nullptr);
    EXPECT_TRUE(decode->alive);
    if (decode->free_tokens < 0) continue;
    EXPECT_GE(decode->free_tokens, 110);
    ++placed_on_known;
  }
  EXPECT_GT(placed_on_known, 100);
  EXPECT_GT(waits, 100);
}

TEST_P(EveryPolicy, KeepsToThePipelineThatIsGiven) {
  std::mt19937 random(6);
  const auto policy = GetParam().create({});
  RequestShape pinned = kRequest;
  pinned.pinned_level = 2;
  RequestShape elsewhere = kRequest;
  elsewhere.is_pinned_elsewhere = true;
  const LevelTable levels = level_table();
  int decisions = 0;
  for (int i = 0; i < 200; ++i) {
    Snapshot snapshot = random_snapshot(random);
    snapshot.levels = &levels;
    const Result<Decision> one = policy->decide(snapshot, pinned);
    if (!one) continue;
    ++decisions;
    EXPECT_EQ(one->level, 2);
    const Result<Decision> other = policy->decide(snapshot, elsewhere);
    ASSERT_TRUE(other.has_value());
    EXPECT_EQ(other->level, -1);
  }
  EXPECT_GT(decisions, 50);
}

TEST_P(EveryPolicy, TheChosenIsAmongTheAlternatives) {
  std::mt19937 random(7);
  const auto policy = GetParam().create({});
  for (int i = 0; i < 200; ++i) {
    std::vector<Alternative> alternatives;
    const Result<Decision> decision =
        policy->decide(random_snapshot(random), kRequest, &alternatives);
    if (!decision) continue;
    EXPECT_TRUE(
        std::any_of(alternatives.begin(), alternatives.end(), [&](const Alternative& alternative) {
          return alternative.prefill_node == decision->prefill_node &&
                 alternative.decode_node == decision->decode_node &&
                 alternative.level == decision->level && alternative.verdict == decision->verdict;
        }));
  }
}

// The same seed and history give the same decisions, and the order of workers in a snapshot says
// nothing.
TEST_P(EveryPolicy, IsDeterministicWhateverTheOrder) {
  std::mt19937 random(2);
  for (const std::uint64_t seed : {1, 77}) {
    const auto one = GetParam().create({.seed = seed});
    const auto two = GetParam().create({.seed = seed});
    for (int i = 0; i < 1000; ++i) {
      Snapshot snapshot = random_snapshot(random);
      set_memory(snapshot.decode, random);
      const Result<Decision> first = one->decide(snapshot, kRequest);
      std::shuffle(snapshot.prefill.begin(), snapshot.prefill.end(), random);
      std::shuffle(snapshot.decode.begin(), snapshot.decode.end(), random);
      const Result<Decision> second = two->decide(snapshot, kRequest);
      ASSERT_EQ(first.has_value(), second.has_value());
      if (!first) continue;
      EXPECT_EQ(first->verdict, second->verdict);
      EXPECT_EQ(first->prefill_node, second->prefill_node);
      EXPECT_EQ(first->decode_node, second->decode_node);
      EXPECT_EQ(first->level, second->level);
    }
  }
}

TEST_P(EveryPolicy, FirstTieGoesToTheLowestNode) {
  Snapshot snapshot;
  for (const std::uint32_t node : {7U, 5U}) {  // both are looked at even where two are drawn
    snapshot.prefill.push_back({.node = node});
    snapshot.decode.push_back({.node = node + 10});
  }
  const Result<Decision> decision = GetParam().create({})->decide(snapshot, {});
  ASSERT_TRUE(decision.has_value());
  EXPECT_EQ(decision->prefill_node, 5U);
  EXPECT_EQ(decision->decode_node, 15U);
}

TEST_P(EveryPolicy, SaysWhichRoleIsMissing) {
  const auto policy = GetParam().create({});
  const Result<Decision> no_prefill = policy->decide({{}, {{.node = 1}}}, {});
  ASSERT_FALSE(no_prefill.has_value());
  EXPECT_EQ(no_prefill.error().message, "no prefill worker is alive");
  const Result<Decision> no_decode =
      policy->decide({{{.node = 1}}, {{.node = 2, .alive = false}}}, {});
  ASSERT_FALSE(no_decode.has_value());
  EXPECT_EQ(no_decode.error().message, "no decode worker is alive");
}

INSTANTIATE_TEST_SUITE_P(All, EveryPolicy,
                         ::testing::ValuesIn(policy_table().begin(), policy_table().end()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(PolicyRegistry, TheTableIsComplete) {
  std::vector<std::string_view> names;
  for (const PolicyRow& row : policy_table()) names.push_back(row.name);
  EXPECT_THAT(names,
              ::testing::ElementsAre("cachegen", "distserve", "kv_aware", "least_loaded",
                                     "link_aware", "power_of_two", "round_robin", "splitwise"));
}

TEST(PolicyRegistry, CreatesByName) {
  for (const PolicyRow& row : policy_table()) {
    const auto policy = create_policy(row.name);
    ASSERT_TRUE(policy.has_value());
    EXPECT_NE(policy.value(), nullptr);
  }
}

TEST(PolicyRegistry, AnUnknownNameIsToldTheOthers) {
  const auto policy = create_policy("best");
  ASSERT_FALSE(policy.has_value());
  EXPECT_EQ(policy.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(policy.error().message,
            "there is no scheduling policy \"best\"; there are cachegen, distserve, kv_aware, "
            "least_loaded, link_aware, power_of_two, round_robin, splitwise");
}

}  // namespace
}  // namespace sluice::scheduler
