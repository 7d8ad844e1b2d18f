// SPDX-License-Identifier: Apache-2.0
// What a policy is shown, and what the workers are told by its decision, in virtual time.
#include <gtest/gtest.h>

#include <limits>

#include "runtime/kv/prefix_cache.hpp"
#include "runtime/router/router.hpp"
#include "tests/runtime/router/scripted_policy.hpp"

namespace sluice::runtime {
namespace {

using scheduler::Verdict;

constexpr std::int64_t kBlock = 32;

// What the router tells, and a table of three levels: the middle one does not stream.
struct Told {
  std::vector<std::pair<scheduler::Decision, std::size_t>> decisions;  // and alternatives
  std::vector<std::pair<double, double>> outcomes;                     // predicted, measured
  double correction = 1.0;
};

RouterOptions options_for(const std::shared_ptr<Told>& told, bool has_levels) {
  RouterOptions options;
  options.scheduler.prefix_block_tokens = kBlock;
  options.scheduler.classes = {{.name = "default", .ttft_s = 4.0, .quality_floor = 0.2}};
  if (has_levels) {
    auto table = std::make_shared<scheduler::LevelTable>();
    table->levels = {{.pipeline = "fine", .stages = 100, .kl = 0.01, .is_streaming = true},
                     {.pipeline = "whole", .stages = 101, .kl = 0.05},
                     {.pipeline = "coarse", .stages = 102, .kl = 0.1, .is_streaming = true},
                     {.pipeline = "worst", .stages = 103, .kl = 0.9, .is_streaming = true}};
    options.levels = table;
  }
  options.wants_alternatives = true;
  options.correction = [told] { return told->correction; };
  options.on_decision = [told](const DecisionReport& report) {
    told->decisions.emplace_back(report.decision, report.alternatives.size());
  };
  options.on_outcome = [told](const OutcomeReport& report) {
    told->outcomes.emplace_back(report.predicted_s, report.measured_s);
  };
  return options;
}

class RouterShown : public ScriptedRouter {
 protected:
  explicit RouterShown(bool has_levels = false)
      : RouterShown(has_levels, std::make_shared<Told>()) {}

  void ask(std::size_t prompt_tokens = 3) {
    streams.push_back(workers.submit(tests::PlayedWorkers::request_of(prompt_tokens)));
    workers.run_for(5 * kMillisecond);
  }
  std::vector<PrefixHash> blocks(std::size_t prompt_tokens, std::uint64_t salt) {
    return block_hashes(tests::PlayedWorkers::request_of(prompt_tokens).prompt, kBlock, salt);
  }
  void say_stored(comm::NodeId node, std::vector<PrefixHash> blocks) {
    workers.say(node, MessageType::kPrefixes, PrefixesMessage{std::move(blocks), {}});
    workers.run_for(5 * kMillisecond);
  }

  std::shared_ptr<Told> told;
  std::vector<std::unique_ptr<GenerateStream>> streams;

 private:
  RouterShown(bool has_levels, std::shared_ptr<Told> own)
      : ScriptedRouter(options_for(own, has_levels)), told(std::move(own)) {}
};

class RouterLevels : public RouterShown {
 protected:
  RouterLevels() : RouterShown(true) {}
};

TEST_F(RouterShown, WhatWorkersSaidOfThemselves) {
  workers.say(1, MessageType::kStatus, StatusMessage{-1, 0.0, 0.01, 0.001, 1e-7, 2.0});
  workers.say(3, MessageType::kStatus, StatusMessage{500, 0.02, 0.1, 0.003, 0.0, 3.0});
  workers.run_for(5 * kMillisecond);
  ask(20);
  EXPECT_EQ(shown(1).prefill_speed.fixed_s, 0.01);
  EXPECT_EQ(shown(1).prefill_speed.s_per_token, 0.001);
  EXPECT_EQ(shown(1).prefill_speed.s_per_token_squared, 1e-7);
  EXPECT_EQ(shown(1).codec_slowness, 2.0);
  EXPECT_EQ(shown(3).free_tokens, 500);
  EXPECT_EQ(shown(3).step_s, 0.02);
  EXPECT_EQ(shown(3).prefill_speed.s_per_token, 0.003);
  EXPECT_FALSE(shown(2).prefill_speed.is_known());
  EXPECT_EQ(shown(4).free_tokens, -1);
  EXPECT_EQ(shown(4).codec_slowness, 1.0);
}

TEST_F(RouterShown, NumbersThatAreNoneAreNotKnown) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  workers.say(1, MessageType::kStatus,
              StatusMessage{-7, nan, -1.0, nan, std::numeric_limits<double>::infinity(), nan});
  workers.run_for(5 * kMillisecond);
  ask();
  EXPECT_FALSE(shown(1).prefill_speed.is_known());
  EXPECT_EQ(shown(1).step_s, 0.0);
  EXPECT_EQ(shown(1).codec_slowness, 1.0);
}

TEST_F(RouterShown, MemoryLessWhatWasPlacedSince) {
  workers.say(3, MessageType::kStatus, StatusMessage{500, 0.02, 0, 0, 0, 1});
  workers.run_for(5 * kMillisecond);
  ask(20);
  ask(20);
  EXPECT_EQ(shown(3).free_tokens, 500 - 28);
  EXPECT_EQ(shown(3).requests, 1);
  workers.say(3, MessageType::kStatus, StatusMessage{450, 0.02, 0, 0, 0, 1});
  workers.run_for(5 * kMillisecond);
  ask(20);
  EXPECT_EQ(shown(3).free_tokens, 450);
  streams[0]->cancel();
  workers.run_for(5 * kMillisecond);
  ask(20);
  EXPECT_EQ(shown(3).free_tokens, 450);  // one more was placed, and one has ended
  for (auto& stream : streams) stream->cancel();
  workers.run_for(5 * kMillisecond);
  ask(20);
  EXPECT_EQ(shown(3).free_tokens, 500);  // idle: its last status was from when it was not
}

TEST_F(RouterShown, WhatIsMoreThanAnyMemoryIsTheWorkersToRefuse) {
  for (const comm::NodeId node : {3U, 4U}) {
    workers.say(node, MessageType::kStatus, StatusMessage{50, 0.02, 0, 0, 0, 1});
  }
  workers.run_for(5 * kMillisecond);
  ask(43);
  EXPECT_EQ(shown(3).free_tokens, -1);
  EXPECT_EQ(shown(4).free_tokens, -1);
  ask(20);
  EXPECT_EQ(shown(4).free_tokens, 50);
  workers.say(4, MessageType::kStatus, StatusMessage{90, 0.02, 0, 0, 0, 1});
  workers.run_for(5 * kMillisecond);
  ask(43);
  EXPECT_LE(shown(3).free_tokens, 50);  // one is large enough
  EXPECT_EQ(shown(4).free_tokens, 90);
}

TEST_F(RouterShown, NothingOfAProcessThatHasEnded) {
  workers.say(3, MessageType::kStatus, StatusMessage{500, 0.02, 0, 0, 0, 1});
  say_stored(3, blocks(100, 77));
  workers.kill(3);
  workers.run_for(100 * kMillisecond);
  ASSERT_TRUE(workers.router->take_join(3, workers.start_again(3)).has_value());
  workers.say_ready(3);
  workers.run_for(5 * kMillisecond);
  ask(100);
  EXPECT_EQ(shown(3).free_tokens, -1);
  EXPECT_EQ(shown(3).step_s, 0.0);
  EXPECT_EQ(shown(3).cached_tokens, 0);
}

TEST_F(RouterShown, PrefixesThatWorkersHave) {
  say_stored(1, blocks(100, 0));   // 3 blocks
  say_stored(3, blocks(64, 77));   // of the cluster's pipeline
  say_stored(4, blocks(100, 78));  // of another one
  ask(100);
  EXPECT_EQ(shown(1).cached_tokens, 3 * kBlock);
  EXPECT_EQ(shown(2).cached_tokens, 0);
  EXPECT_EQ(shown(3).cached_tokens, 2 * kBlock);
  EXPECT_EQ(shown(4).cached_tokens, 0);
  const auto submits = workers.take_submits();
  ASSERT_EQ(submits.size(), 1U);
  EXPECT_EQ(submits[0].second.decode_cached_tokens, 2 * kBlock);
  ask(64);
  EXPECT_EQ(shown(1).cached_tokens, kBlock);  // never the prompt's last token
  EXPECT_EQ(shown(3).cached_tokens, kBlock);
  workers.say(1, MessageType::kPrefixes, PrefixesMessage{{}, {blocks(100, 0)[1]}});
  workers.run_for(5 * kMillisecond);
  ask(100);
  EXPECT_EQ(shown(1).cached_tokens, kBlock);
}

TEST_F(RouterShown, PlacedAnewWhenBlocksAreGoneMeanwhile) {
  say_stored(3, blocks(100, 77));
  ask(100);
  const auto first = workers.take_submits().at(0).second;
  EXPECT_EQ(first.decode_cached_tokens, 3 * kBlock);
  workers.say_failed(3, first.request, ErrorCode::kUnavailable);
  const auto [node, second] = placed();
  EXPECT_EQ(node, 1U);
  EXPECT_EQ(second.decode_cached_tokens, 0);
  EXPECT_TRUE(shown(1).alive);  // nobody is blamed
  EXPECT_TRUE(shown(3).alive);
  expect_whole_answer(*streams[0], 3, second.request);
}

TEST_F(RouterShown, TheQueueOfAPrefillWorkerByItsSpeed) {
  ask(100);
  ask(100);
  EXPECT_EQ(shown(1).queued_tokens, 100);
  workers.run_for(kSecond);
  ask(100);
  EXPECT_EQ(shown(1).queued_tokens, 200);  // nobody knows how long it takes
  EXPECT_EQ(shown(1).requests, 2);
  for (auto& stream : streams) stream->cancel();
  workers.say(1, MessageType::kStatus, StatusMessage{-1, 0, 0, 0.002, 0, 1});
  workers.run_for(5 * kMillisecond);
  ask(100);  // 0.2 s
  ask(100);
  workers.run_for(290 * kMillisecond);
  ask(100);
  EXPECT_NEAR(static_cast<double>(shown(1).queued_tokens), 50, 6);
  EXPECT_EQ(shown(1).requests, 1);
}

TEST_F(RouterShown, LinksThatNobodyHasUsed) {
  ask();
  EXPECT_EQ(script->shown.back().assumed_bytes_per_s, 1.25e9);
  LinksMessage links;
  for (const double rate : {3e6, 1e6}) {
    LinkReport report;
    report.peer = rate == 3e6 ? 3 : 4;
    report.free_bytes_per_s = rate;
    links.links.push_back(report);
  }
  workers.say(1, MessageType::kLinks, links);
  links.links[0].free_bytes_per_s = 2e6;
  links.links.resize(1);
  workers.say(2, MessageType::kLinks, links);
  workers.run_for(5 * kMillisecond);
  ask();
  EXPECT_EQ(script->shown.back().links.size(), 3U);
  EXPECT_EQ(script->shown.back().assumed_bytes_per_s, 2e6);
}

TEST_F(RouterShown, LinksWithWhatIsPlacedOnThem) {
  decide({.prefill_node = 2, .decode_node = 3, .prediction = {.bytes = 1000}});
  ask();
  decide({.prefill_node = 1, .decode_node = 4, .prediction = {.bytes = 300}});
  ask();
  ask();
  const auto submits = workers.take_submits();
  for (const auto& [node, submit] : submits) {
    if (node == 2) workers.say_token(3, submit.request, 0);  // it has arrived
  }
  workers.run_for(5 * kMillisecond);
  ask();
  const auto& links = script->shown.back().links;
  ASSERT_EQ(links.size(), 1U);
  EXPECT_EQ(links[0].prefill_node, 1U);
  EXPECT_EQ(links[0].decode_node, 4U);
  EXPECT_EQ(links[0].planned_bytes, 600U);
  const auto& before = script->shown[2].links;
  ASSERT_EQ(before.size(), 2U);
  EXPECT_EQ(before[0].planned_bytes, 300U);
  EXPECT_EQ(before[1].planned_bytes, 1000U);
}

TEST_F(RouterShown, PredictionsAreKeptComparedAndCorrected) {
  told->correction = 2.0;
  decide({.prefill_node = 1, .decode_node = 3, .prediction = {.ttft_s = 0.25}});
  ask();
  EXPECT_NEAR(script->asked.back().ttft_slo_s, 2.0, 0.01);  // of 4 s
  ASSERT_EQ(told->decisions.size(), 1U);
  EXPECT_EQ(told->decisions[0].first.decode_node, 3U);
  EXPECT_EQ(told->decisions[0].second, 1U);
  const auto submit = workers.take_submits().at(0).second;
  workers.run_for(400 * kMillisecond);
  expect_whole_answer(*streams[0], 3, submit.request);
  EXPECT_NEAR(static_cast<double>(streams[0]->timeline().predicted_us), 500'000, 5'000);
  ASSERT_EQ(told->outcomes.size(), 1U);
  EXPECT_NEAR(told->outcomes[0].first, 0.5, 0.005);
  EXPECT_NEAR(told->outcomes[0].second, 0.405, 0.005);
}

TEST_F(RouterShown, OnNoWorkerThatDoesNotAnswer) {
  workers.muted.insert(1);
  workers.run_for(3 * kSecond);
  decide({.prefill_node = 2, .decode_node = 3});
  ask();
  EXPECT_FALSE(shown(1).alive);
  EXPECT_TRUE(shown(2).alive);
}

TEST_F(RouterLevels, TheLevelIsTheWorkersPipeline) {
  decide({.prefill_node = 1, .decode_node = 3, .level = 2});
  ask();
  const auto submit = workers.take_submits().at(0).second;
  EXPECT_EQ(submit.pipeline, "coarse");
  EXPECT_TRUE(submit.may_change_level);
  EXPECT_NEAR(static_cast<double>(submit.ttft_left_us), 4e6, 1e4);
  EXPECT_EQ(submit.kl_max, 0.2);
  EXPECT_EQ(script->shown.back().levels->levels.size(), 4U);
  EXPECT_EQ(script->asked.back().pinned_level, -1);
  EXPECT_FALSE(script->asked.back().is_pinned_elsewhere);
  EXPECT_EQ(script->asked.back().kl_max, 0.2);
  auto request = tests::PlayedWorkers::request_of(5);
  request.kl_max = 0.03;
  streams.push_back(workers.submit(request));
  EXPECT_EQ(placed().second.kl_max, 0.03);
}

TEST_F(RouterLevels, WhatTheUserNamedIsHis) {
  auto request = tests::PlayedWorkers::request_of(5);
  request.pipeline = "whole";
  request.question_tokens = 2;
  decide({.prefill_node = 1, .decode_node = 3, .level = 1});
  streams.push_back(workers.submit(request));
  const auto named = placed().second;
  EXPECT_EQ(named.pipeline, "whole");
  EXPECT_FALSE(named.may_change_level);
  EXPECT_EQ(script->asked.back().pinned_level, 1);
  EXPECT_EQ(script->asked.back().question_tokens, 2);
  request.pipeline = "mine";
  decide({.prefill_node = 1, .decode_node = 3, .level = -1});
  streams.push_back(workers.submit(request));
  EXPECT_EQ(placed().second.pipeline, "mine");
  EXPECT_EQ(script->asked.back().pinned_level, -1);
  EXPECT_TRUE(script->asked.back().is_pinned_elsewhere);
}

// A decode worker's blocks are of one level: no other one can use them.
TEST_F(RouterLevels, BlocksOfTheLevelThatIsChosen) {
  say_stored(3, blocks(100, 102));
  say_stored(4, blocks(100, 103));  // of a level that the request may not have
  decide({.prefill_node = 1, .decode_node = 3, .level = 2});
  ask(100);
  EXPECT_EQ(shown(3).cached_tokens, 3 * kBlock);
  EXPECT_EQ(shown(4).cached_tokens, 0);
  EXPECT_EQ(script->asked.size(), 1U);
  EXPECT_EQ(workers.take_submits().at(0).second.decode_cached_tokens, 3 * kBlock);
  decide({.prefill_node = 1, .decode_node = 3, .level = 0});
  ask(100);
  EXPECT_EQ(script->asked.size(), 3U);  // asked again, with what that level has there
  EXPECT_EQ(shown(3).cached_tokens, 0);
  EXPECT_EQ(workers.take_submits().at(0).second.decode_cached_tokens, 0);
}

TEST_F(RouterLevels, LocalGoesToTheDecodeWorkerAndFromThereElsewhere) {
  say_stored(4, blocks(100, 102));
  decide({.decode_node = 4, .verdict = Verdict::kLocal});
  ask(100);
  auto submits = workers.take_submits();
  ASSERT_EQ(submits.size(), 1U);
  EXPECT_EQ(submits[0].first, 4U);
  EXPECT_EQ(submits[0].second.decode_node, 4U);
  EXPECT_EQ(submits[0].second.pipeline, "coarse");  // of what it has of the prompt
  EXPECT_FALSE(submits[0].second.may_change_level);
  decide({.prefill_node = 1, .decode_node = 3, .level = 0});
  ask();
  EXPECT_EQ(shown(4).requests, 1);
  EXPECT_EQ(shown(1).requests, 0);
  (void)workers.take_submits();
  workers.say_failed(4, submits[0].second.request, ErrorCode::kUnavailable);
  auto [node, second] = placed();
  EXPECT_EQ(node, 1U);
  // A failure of its own, not of blocks: it is avoided.
  decide({.decode_node = 3, .verdict = Verdict::kLocal});
  workers.say_failed(1, second.request, ErrorCode::kUnavailable);
  auto [local, third] = placed();
  EXPECT_EQ(local, 3U);
  EXPECT_EQ(workers.cancelled(second.request), (std::vector<comm::NodeId>{1, 3}));
  workers.say_failed(3, third.request, ErrorCode::kTimeout);
  decide({.prefill_node = 1, .decode_node = 4});
  auto [again, fourth] = placed();
  EXPECT_EQ(again, 1U);
  EXPECT_EQ(workers.cancelled(third.request), std::vector<comm::NodeId>{3});  // once
  expect_whole_answer(*streams[0], 4, fourth.request);
}

}  // namespace
}  // namespace sluice::runtime
