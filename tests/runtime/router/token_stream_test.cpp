// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/token_stream.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

TEST(TokenStream, DeliversInOrderAndThenEnds) {
  auto tokens = std::make_shared<TokenStream>(monotonic_us());
  int cancels = 0;
  {
    const auto stream = make_generate_stream(tokens, [&] { ++cancels; });
    tokens->push({5, FinishReason::kNone}, {});
    RequestTimeline timeline;
    timeline.output_tokens = 2;
    tokens->push({6, FinishReason::kLength}, timeline);
    tokens->push({7, FinishReason::kLength}, {});  // after the end: ignored
    EXPECT_EQ(stream->next()->token, 5);
    EXPECT_EQ(stream->next()->token, 6);
    EXPECT_FALSE(stream->next().has_value());
    EXPECT_EQ(stream->timeline().output_tokens, 2);
    EXPECT_LE(stream->timeline().first_token_us, stream->timeline().total_us);
  }
  EXPECT_EQ(cancels, 0);  // it had ended by itself
}

TEST(TokenStream, AnErrorComesAfterWhatWasDelivered) {
  auto tokens = std::make_shared<TokenStream>(monotonic_us());
  tokens->push({5, FinishReason::kNone}, {});
  tokens->fail({ErrorCode::kUnavailable, "gone"});
  EXPECT_EQ(tokens->next()->token, 5);
  EXPECT_EQ(tokens->next().error().message, "gone");
}

TEST(TokenStream, DroppingItCancelsOnce) {
  auto tokens = std::make_shared<TokenStream>(monotonic_us());
  int cancels = 0;
  {
    const auto stream = make_generate_stream(tokens, [&] { ++cancels; });
    stream->cancel();
    stream->cancel();
  }
  EXPECT_EQ(cancels, 1);
}

TEST(TokenStream, NextWaitsForAnotherThread) {
  auto tokens = std::make_shared<TokenStream>(monotonic_us());
  std::thread producer([&] { tokens->push({9, FinishReason::kStop}, {}); });
  EXPECT_EQ(tokens->next()->token, 9);
  producer.join();
}

}  // namespace
}  // namespace sluice::runtime
