// SPDX-License-Identifier: Apache-2.0
// Who is let in, who is first, and who is told that it will not be in time, in virtual time.
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/router/router.hpp"
#include "tests/runtime/router/scripted_policy.hpp"

namespace sluice::runtime {
namespace {

using scheduler::Verdict;

constexpr scheduler::Decision kWait{.verdict = Verdict::kWait, .reason = "no room"};
constexpr scheduler::Decision kPlace{.prefill_node = 1, .decode_node = 3};

RouterOptions options_with(std::shared_ptr<std::vector<scheduler::Decision>> decisions) {
  RouterOptions options;
  options.scheduler.queue_max = 4;
  options.scheduler.classes = {
      {.name = "chat", .ttft_s = 2.0, .quality_floor = 0.1, .ageing = 0.0, .may_reject = true},
      {.name = "batch", .ttft_s = 60.0, .quality_floor = 0.1, .ageing = 0.0, .may_reject = false}};
  options.on_decision = [decisions = std::move(decisions)](const DecisionReport& report) {
    decisions->push_back(report.decision);
  };
  return options;
}

class RouterQueue : public ScriptedRouter {
 protected:
  RouterQueue() : RouterQueue(std::make_shared<std::vector<scheduler::Decision>>()) {}

  std::unique_ptr<GenerateStream> submit(const char* slo_class, std::size_t tokens = 3) {
    auto request = tests::PlayedWorkers::request_of(tokens);
    request.slo_class = slo_class;
    auto stream = workers.submit(std::move(request));
    workers.run_for(5 * kMillisecond);
    return stream;
  }
  void say_speed(comm::NodeId node, double s_per_token) {
    workers.say(node, MessageType::kStatus, StatusMessage{-1, 0, 0, s_per_token, 0, 1});
    workers.run_for(5 * kMillisecond);
  }
  void expect_refused(GenerateStream& stream, const std::string& part, double retry_after_s) {
    expect_failed(stream, ErrorCode::kResourceExhausted, part);
    EXPECT_NEAR(stream.retry_after_s(), retry_after_s, 0.2 * retry_after_s);
  }

  std::shared_ptr<std::vector<scheduler::Decision>> decisions;

 private:
  explicit RouterQueue(std::shared_ptr<std::vector<scheduler::Decision>> own)
      : ScriptedRouter(options_with(own)), decisions(std::move(own)) {}
};

TEST_F(RouterQueue, NoClassThatTheClusterHasNot) {
  auto request = tests::PlayedWorkers::request_of(3);
  request.slo_class = "chatty";
  const auto stream = workers.router->submit(request);
  ASSERT_FALSE(stream.has_value());
  EXPECT_EQ(stream.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(stream.error().message,
            "there is no class of requests \"chatty\"; there are chat, batch");
}

TEST_F(RouterQueue, WhatHasToWaitIsAskedAgainWhenSomethingHasChanged) {
  decide(kWait);
  const auto stream = submit("chat");
  EXPECT_TRUE(workers.take_submits().empty());
  EXPECT_EQ(script->asked.size(), 1U);
  workers.say(4, MessageType::kStatus, StatusMessage{100, 0, 0, 0, 0, 1});
  workers.run_for(5 * kMillisecond);
  EXPECT_EQ(script->asked.size(), 2U);
  decide(kPlace);
  workers.run_for(300 * kMillisecond);  // and in any case after a while
  const auto submits = workers.take_submits();
  ASSERT_EQ(submits.size(), 1U);
  EXPECT_GT(script->asked.back().waited_s, 0.005);
  expect_whole_answer(*stream, 3, submits[0].second.request);
  ASSERT_EQ(decisions->size(), 2U);  // the wait is told once
  EXPECT_EQ((*decisions)[0].verdict, Verdict::kWait);
  EXPECT_EQ((*decisions)[1].verdict, Verdict::kPlace);
}

TEST_F(RouterQueue, TheNearestDeadlineIsFirstAndNobodyOvertakes) {
  decide(kWait);
  const auto patient = submit("batch", 5);
  const auto first = submit("chat", 6);
  const auto second = submit("", 7);
  int places = 1;
  script->answer = [&places] { return places-- > 0 ? kPlace : kWait; };
  workers.run_for(200 * kMillisecond);
  auto submits = workers.take_submits();
  ASSERT_EQ(submits.size(), 1U);
  EXPECT_EQ(submits[0].second.prompt.size(), 6U);
  decide(kPlace);
  workers.run_for(200 * kMillisecond);
  EXPECT_EQ(workers.take_submits().size(), 2U);
  EXPECT_EQ(script->asked.end()[-2].prompt_tokens, 7);
  EXPECT_EQ(script->asked.back().prompt_tokens, 5);
}

TEST_F(RouterQueue, FullIsSaidAtOnceWithATimeToComeAgain) {
  decide(kWait);
  std::vector<std::unique_ptr<GenerateStream>> streams;
  for (int i = 0; i < 3; ++i) streams.push_back(submit("batch"));
  const auto stream = submit("batch");  // the fourth place is the other class's
  expect_refused(*stream, "there is no capacity for the request now: the queue is full", 1.0);
  EXPECT_EQ(decisions->back().verdict, Verdict::kReject);
  streams[0]->cancel();
  workers.run_for(5 * kMillisecond);
  const auto later = submit("batch");
  EXPECT_FALSE(later->has_next());
}

TEST_F(RouterQueue, WhatThePolicyRejectsIsRefused) {
  decide({.verdict = Verdict::kReject, .retry_after_s = 7.0, .reason = "too late"});
  const auto stream = submit("chat");
  expect_refused(*stream, "too late", 7.0);
  EXPECT_EQ(decisions->back().retry_after_s, 7.0);
}

TEST_F(RouterQueue, WhoMayNotBeRefusedIsPlacedWithoutAnObjective) {
  script->answer = [this] {
    const bool is_free = std::isinf(script->asked.back().ttft_slo_s);
    return is_free ? kPlace : scheduler::Decision{.verdict = Verdict::kReject};
  };
  const auto stream = submit("batch");
  EXPECT_EQ(workers.take_submits().size(), 1U);
  decide({.verdict = Verdict::kReject});
  const auto other = submit("batch");
  workers.run_for(kSecond);
  EXPECT_FALSE(other->has_next());
}

TEST_F(RouterQueue, OutOfReachIsSaidBeforeItIsAsked) {
  decide(kWait);
  const auto patient = submit("batch");
  const auto stream = submit("chat");
  workers.run_for(1900 * kMillisecond);
  EXPECT_FALSE(stream->has_next());
  workers.run_for(300 * kMillisecond);
  expect_refused(*stream, "its objective is out of reach", 1.0);
  EXPECT_FALSE(patient->has_next());
}

// 2 s of prefill on each worker: nothing that has to begin within 2 s can.
TEST_F(RouterQueue, LateBehindWhatIsPlacedIsRefusedEarly) {
  for (const comm::NodeId node : {1U, 2U}) say_speed(node, 0.01);
  int turn = 0;
  script->answer = [&turn] {
    return scheduler::Decision{.prefill_node = 1U + static_cast<unsigned>(turn++ % 2),
                               .decode_node = 3};
  };
  std::vector<std::unique_ptr<GenerateStream>> streams;
  for (int i = 0; i < 2; ++i) streams.push_back(submit("batch", 300));  // 3 s each
  EXPECT_EQ(workers.take_submits().size(), 2U);
  const auto stream = submit("chat", 100);
  expect_refused(*stream, "its objective cannot be met behind what waits", 2.0);
  const auto patient = submit("batch", 100);
  EXPECT_FALSE(patient->has_next());
}

// So that a later one of a nearer deadline is before an earlier one.
TEST_F(RouterQueue, AWorkerIsGivenLittleAhead) {
  for (const comm::NodeId node : {1U, 2U}) say_speed(node, 0.001);
  std::vector<std::unique_ptr<GenerateStream>> streams;
  for (int i = 0; i < 3; ++i) streams.push_back(submit("batch", 400));
  EXPECT_EQ(workers.take_submits().size(), 3U);  // the other worker is idle: it may be chosen
  script->answer = [] { return scheduler::Decision{.prefill_node = 2, .decode_node = 3}; };
  streams.push_back(submit("batch", 600));
  streams.push_back(submit("batch", 500));
  EXPECT_EQ(workers.take_submits().size(), 1U);  // both have half a second of work now
  streams.push_back(submit("chat", 50));
  EXPECT_TRUE(workers.take_submits().empty());
  workers.run_for(300 * kMillisecond);
  const auto submits = workers.take_submits();
  ASSERT_GE(submits.size(), 1U);
  EXPECT_EQ(submits[0].second.prompt.size(), 50U);
}

}  // namespace
}  // namespace sluice::runtime
