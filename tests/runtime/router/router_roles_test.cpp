// SPDX-License-Identifier: Apache-2.0
// Workers that are drained, end, or come back in the other role, in virtual time.
#include <gtest/gtest.h>

#include "runtime/router/router.hpp"
#include "tests/runtime/router/scripted_policy.hpp"

namespace sluice::runtime {
namespace {

RouterOptions options_that_switch() {
  RouterOptions options;
  options.scheduler.switch_roles = true;
  options.roles = {.imbalance = 2.0, .backlog_s = 1.0, .hold_s = 2.0, .rest_s = 1000.0};
  return options;
}

class RouterRoles : public ScriptedRouter {
 protected:
  RouterRoles() : ScriptedRouter(options_that_switch()) {}

  void ask(std::size_t prompt_tokens = 3) {
    streams.push_back(workers.submit(tests::PlayedWorkers::request_of(prompt_tokens)));
    workers.run_for(5 * kMillisecond);
  }
  std::vector<Role> drained(comm::NodeId node) const {
    std::vector<Role> roles;
    for (const tests::Heard& one : workers.heard) {
      if (one.worker != node || one.type != MessageType::kDrain) continue;
      roles.push_back(DrainMessage::decode(one.payload)->as);
    }
    return roles;
  }

  std::vector<std::unique_ptr<GenerateStream>> streams;
};

using Roles = std::vector<Role>;

TEST_F(RouterRoles, WhoIsDrainedGetsNothingNewAndIsToldWhenItsWorkIsDone) {
  ask();
  const auto submit = workers.take_submits().at(0).second;
  ASSERT_TRUE(workers.router->drain(3, Role::kDecode));
  decide({.prefill_node = 1, .decode_node = 4});
  ask();
  EXPECT_FALSE(shown(3).alive);
  EXPECT_TRUE(shown(4).alive);
  workers.run_for(kSecond);
  EXPECT_EQ(drained(3), Roles{});
  expect_whole_answer(*streams[0], 3, submit.request);
  workers.run_for(5 * kMillisecond);
  EXPECT_EQ(drained(3), Roles{Role::kDecode});
  workers.say(3, MessageType::kGoodbye, GoodbyeMessage{5, 0});
  workers.run_for(5 * kMillisecond);
  workers.kill(3);
  workers.run_for(kSecond);
  EXPECT_EQ(drained(3).size(), 1U);
  EXPECT_EQ(workers.changes,
            std::vector<std::string>{"rank 3 (decode) takes no new work and will end"});
}

TEST_F(RouterRoles, WhoCannotBeDrainedIsSaidInWords) {
  EXPECT_EQ(workers.router->drain(0, Role::kDecode).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(workers.router->drain(3, Role::kRouter).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(workers.router->drain(3, Role::kDecode));
  EXPECT_EQ(workers.router->drain(3, Role::kDecode).error().message,
            "rank 3 (decode) is not at work");
  EXPECT_EQ(workers.router->drain(4, Role::kDecode).error().message,
            "rank 4 (decode) is the last one of its role");
}

TEST_F(RouterRoles, WhoWasDrainedJoinsAgainInTheOtherRole) {
  ASSERT_TRUE(workers.router->drain(3, Role::kPrefill));
  workers.run_for(5 * kMillisecond);
  EXPECT_EQ(drained(3), Roles{Role::kPrefill});
  Hello early;
  early.role = Role::kPrefill;
  EXPECT_EQ(workers.router->take_join(3, early).error().code, ErrorCode::kUnavailable);
  workers.say(3, MessageType::kGoodbye, GoodbyeMessage{5, 0});
  workers.run_for(5 * kMillisecond);
  Hello hello = workers.start_again(3);
  hello.role = Role::kPrefill;
  ASSERT_TRUE(workers.router->take_join(3, hello).has_value());
  workers.say_ready(3);
  workers.run_for(5 * kMillisecond);
  decide({.prefill_node = 3, .decode_node = 4});
  ask();
  EXPECT_EQ(script->shown.back().prefill.size(), 3U);
  EXPECT_EQ(script->shown.back().decode.size(), 1U);
  EXPECT_TRUE(shown(3).alive);
  const auto submits = workers.take_submits();
  ASSERT_EQ(submits.size(), 1U);
  EXPECT_EQ(submits[0].first, 3U);
  expect_whole_answer(*streams[0], 4, submits[0].second.request);
}

TEST_F(RouterRoles, NobodyJoinsInARoleThatTheRankHasNot) {
  workers.kill(3);
  workers.run_for(100 * kMillisecond);
  Hello hello = workers.start_again(3);
  hello.role = Role::kPrefill;
  EXPECT_EQ(workers.router->take_join(3, hello).error().message,
            "the process that would be rank 3 is a prefill worker, and the rank's role is decode");
}

// Prefill has seconds of work in the queue, and nothing is decoded.
TEST_F(RouterRoles, ASideThatStarvesGetsAWorker) {
  for (const comm::NodeId node : {1U, 2U}) {
    workers.say(node, MessageType::kStatus, StatusMessage{-1, 0, 0, 0.01, 0, 1});
  }
  for (const comm::NodeId node : {3U, 4U}) {
    workers.say(node, MessageType::kStatus, StatusMessage{100'000, 0.001, 0, 0, 0, 1});
  }
  workers.run_for(5 * kMillisecond);
  int turn = 0;
  script->answer = [&turn] {
    return scheduler::Decision{.prefill_node = 1U + static_cast<unsigned>(turn++ % 2),
                               .decode_node = 3};
  };
  for (int i = 0; i < 6; ++i) ask(400);
  EXPECT_EQ(workers.take_submits().size(), 2U);
  workers.run_for(1500 * kMillisecond);
  for (comm::NodeId node = 1; node < 5; ++node) EXPECT_EQ(drained(node), Roles{});
  workers.run_for(2 * kSecond);
  EXPECT_EQ(drained(4), Roles{Role::kPrefill});
  for (comm::NodeId node = 1; node < 4; ++node) EXPECT_EQ(drained(node), Roles{});
}

}  // namespace
}  // namespace sluice::runtime
