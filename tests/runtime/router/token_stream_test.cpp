// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/token_stream.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace sluice::runtime {
namespace {

TEST(TokenStream, DeliversInOrderAndThenEnds) {
  auto tokens = std::make_shared<TokenStream>(1000);
  int cancels = 0;
  {
    const auto stream = make_generate_stream(tokens, [&] { ++cancels; });
    tokens->push({5, FinishReason::kNone}, {}, 1500);
    RequestTimeline timeline;
    timeline.output_tokens = 2;
    tokens->push({6, FinishReason::kLength}, timeline, 1700);
    tokens->push({7, FinishReason::kLength}, {}, 1900);  // after the end: ignored
    EXPECT_EQ(stream->next()->token, 5);
    EXPECT_EQ(stream->next()->token, 6);
    EXPECT_FALSE(stream->next().has_value());
    EXPECT_EQ(stream->timeline().output_tokens, 2);
    EXPECT_EQ(stream->timeline().first_token_us, 500);
    EXPECT_EQ(stream->timeline().total_us, 700);
  }
  EXPECT_EQ(cancels, 0);  // it had ended by itself
}

TEST(TokenStream, AnErrorComesAfterWhatWasDelivered) {
  auto tokens = std::make_shared<TokenStream>(1000);
  tokens->push({5, FinishReason::kNone}, {}, 1500);
  tokens->fail({ErrorCode::kUnavailable, "gone"});
  EXPECT_EQ(tokens->next()->token, 5);
  EXPECT_EQ(tokens->next().error().message, "gone");
  EXPECT_EQ(tokens->retry_after_s(), 0.0);
}

TEST(TokenStream, WhoIsRefusedIsToldWhenToComeAgain) {
  auto tokens = std::make_shared<TokenStream>(1000);
  const auto stream = make_generate_stream(tokens, [] {});
  tokens->fail({ErrorCode::kResourceExhausted, "full"}, 2.5);
  EXPECT_EQ(stream->next().error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(stream->retry_after_s(), 2.5);
}

TEST(TokenStream, DroppingItCancelsOnce) {
  auto tokens = std::make_shared<TokenStream>(1000);
  int cancels = 0;
  {
    const auto stream = make_generate_stream(tokens, [&] { ++cancels; });
    stream->cancel();
    stream->cancel();
  }
  EXPECT_EQ(cancels, 1);
}

TEST(TokenStream, WhoMustNotBlockCanAskBefore) {
  auto tokens = std::make_shared<TokenStream>(1000);
  const auto stream = make_generate_stream(tokens, [] {});
  EXPECT_FALSE(stream->has_next());
  tokens->push({5, FinishReason::kNone}, {}, 1500);
  EXPECT_TRUE(stream->has_next());
  EXPECT_EQ(stream->next()->token, 5);
  EXPECT_FALSE(stream->has_next());
  tokens->fail({ErrorCode::kUnavailable, "gone"});
  EXPECT_TRUE(stream->has_next());
  EXPECT_FALSE(stream->next().has_value());
}

TEST(TokenStream, NextWaitsForAnotherThread) {
  auto tokens = std::make_shared<TokenStream>(1000);
  std::thread producer([&] { tokens->push({9, FinishReason::kStop}, {}, 1500); });
  EXPECT_EQ(tokens->next()->token, 9);
  producer.join();
}

}  // namespace
}  // namespace sluice::runtime
