// SPDX-License-Identifier: Apache-2.0
// One request, a router, and what the played workers see of it.
#pragma once

#include <string>
#include <utility>

#include "tests/runtime/router/played_workers.hpp"

namespace sluice::runtime {

inline constexpr std::int64_t kMillisecond = 1000;
inline constexpr std::int64_t kSecond = 1'000'000;

class RouterPlaced : public testing::Test {
 protected:
  explicit RouterPlaced(tests::PlayedOptions played = {}) : workers(std::move(played)) {}

  // The one request's submission, which must have come since.
  std::pair<comm::NodeId, SubmitMessage> placed() {
    workers.run_for(5 * kMillisecond);
    auto submits = workers.take_submits();
    EXPECT_EQ(submits.size(), 1U);
    return submits.empty() ? std::pair<comm::NodeId, SubmitMessage>() : std::move(submits[0]);
  }
  void expect_whole_answer(GenerateStream& stream, comm::NodeId decode, RequestId attempt) {
    workers.say_token(decode, attempt, 0);
    workers.say_token(decode, attempt, 1, FinishReason::kLength);
    workers.run_for(5 * kMillisecond);
    ASSERT_TRUE(stream.has_next());
    EXPECT_EQ(stream.next()->token, 10);
    const auto last = stream.next();
    ASSERT_TRUE(last.has_value()) << last.error().message;
    EXPECT_EQ(last->token, 11);
    EXPECT_EQ(last->finish, FinishReason::kLength);
  }
  void expect_failed(GenerateStream& stream, ErrorCode code, const std::string& part) {
    ASSERT_TRUE(stream.has_next());
    const auto event = stream.next();
    ASSERT_FALSE(event.has_value());
    EXPECT_EQ(event.error().code, code);
    EXPECT_NE(event.error().message.find(part), std::string::npos) << event.error().message;
  }

  tests::PlayedWorkers workers;
};

}  // namespace sluice::runtime
