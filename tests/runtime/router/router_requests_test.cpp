// SPDX-License-Identifier: Apache-2.0
// Where requests are placed, and placed anew, with workers that the test plays, in virtual time.
#include <gtest/gtest.h>

#include "runtime/router/router.hpp"
#include "tests/runtime/router/router_placed.hpp"

namespace sluice::runtime {
namespace {

TEST_F(RouterPlaced, OnceWhenAllGoesWell) {
  const auto stream = workers.submit();
  const auto [prefill, submit] = placed();
  EXPECT_EQ(prefill, 1U);
  EXPECT_EQ(submit.decode_node, 3U);
  EXPECT_EQ(submit.prompt, (std::vector<TokenId>{1, 2, 3}));
  EXPECT_FALSE(stream->has_next());
  expect_whole_answer(*stream, 3, submit.request);
  EXPECT_EQ(stream->timeline().attempts, 1);
  EXPECT_GT(stream->timeline().first_token_us, 0);
  EXPECT_TRUE(workers.cancelled(submit.request).empty());
}

TEST_F(RouterPlaced, AnewWhenTheOtherSideIsUnavailable) {
  const auto stream = workers.submit();
  const auto [prefill, first] = placed();
  workers.say_failed(1, first.request, ErrorCode::kUnavailable);
  const auto [prefill_again, second] = placed();
  EXPECT_NE(second.request, first.request);
  EXPECT_EQ(second.decode_node, 4U);  // the prefill worker could not reach 3
  EXPECT_EQ(second.prompt, first.prompt);
  EXPECT_EQ(workers.cancelled(first.request), (std::vector<comm::NodeId>{1, 3}));
  // Whatever the first attempt still brings is nobody's.
  workers.say_token(3, first.request, 0);
  workers.say_failed(3, first.request, ErrorCode::kInternal);
  workers.run_for(5 * kMillisecond);
  EXPECT_FALSE(stream->has_next());
  expect_whole_answer(*stream, 4, second.request);
  EXPECT_EQ(stream->timeline().attempts, 2);
}

// Each of two that cannot reach each other may well reach others.
TEST_F(RouterPlaced, WithAnotherPartnerWhenTheOtherSideIsTheOnlyOne) {
  const auto stream = workers.submit();
  const auto [prefill, first] = placed();
  workers.say_failed(1, first.request, ErrorCode::kUnavailable);
  const auto [prefill_again, second] = placed();
  EXPECT_EQ(prefill_again, 1U);
  EXPECT_EQ(second.decode_node, 4U);
  workers.say_failed(1, second.request, ErrorCode::kUnavailable);
  const auto [another, third] = placed();
  EXPECT_EQ(another, 2U);
  expect_whole_answer(*stream, third.decode_node, third.request);
}

// The decode workers learn of the prefill worker's death before the router does.
TEST_F(RouterPlaced, NotOnWhoFailedItUntilTheRouterHadTimeToLearnOfADeath) {
  workers.kill(2);
  workers.run_for(100 * kMillisecond);
  const auto stream = workers.submit();
  const auto [prefill, first] = placed();
  workers.say_failed(3, first.request, ErrorCode::kUnavailable);
  const auto [prefill_again, second] = placed();
  EXPECT_EQ(second.decode_node, 4U);
  workers.say_failed(4, second.request, ErrorCode::kUnavailable);
  workers.run_for(400 * kMillisecond);
  EXPECT_TRUE(workers.take_submits().empty());
  EXPECT_FALSE(stream->has_next());
  workers.kill(1);
  workers.run_for(90 * kMillisecond);
  expect_failed(*stream, ErrorCode::kUnavailable,
                "no prefill worker can take the request: rank 1 has ended, rank 2 has ended");
}

TEST_F(RouterPlaced, OnWhoFailedItAfterAWhileWhenHeLivesAndIsTheOnlyOne) {
  workers.kill(2);
  workers.run_for(100 * kMillisecond);
  const auto stream = workers.submit();
  const auto [prefill, first] = placed();
  workers.say_failed(3, first.request, ErrorCode::kUnavailable);
  const auto [prefill_again, second] = placed();
  workers.say_failed(4, second.request, ErrorCode::kUnavailable);
  workers.run_for(700 * kMillisecond);
  const auto [prefill_last, third] = placed();
  EXPECT_EQ(prefill_last, 1U);
  expect_whole_answer(*stream, third.decode_node, third.request);
}

TEST_F(RouterPlaced, ElsewhereWhenAWorkerHasWaitedTooLong) {
  const auto stream = workers.submit();
  const auto [prefill, first] = placed();
  workers.say_failed(3, first.request, ErrorCode::kTimeout);
  const auto [prefill_again, second] = placed();
  EXPECT_EQ(prefill_again, 1U);
  EXPECT_EQ(second.decode_node, 4U);
  expect_whole_answer(*stream, 4, second.request);
}

TEST_F(RouterPlaced, ElsewhereOnBothSidesWhenBytesAreCorrupt) {
  const auto stream = workers.submit();
  const auto [prefill, first] = placed();
  workers.say_failed(3, first.request, ErrorCode::kCorrupt);
  const auto [prefill_again, second] = placed();
  EXPECT_EQ(prefill_again, 2U);
  EXPECT_EQ(second.decode_node, 4U);
  expect_whole_answer(*stream, 4, second.request);
}

TEST_F(RouterPlaced, ThreeTimesAtMost) {
  const auto stream = workers.submit();
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto [prefill, submit] = placed();
    workers.say_failed(submit.decode_node, submit.request, ErrorCode::kCorrupt);
  }
  workers.run_for(5 * kMillisecond);
  EXPECT_TRUE(workers.take_submits().empty());
  expect_failed(*stream, ErrorCode::kCorrupt, "the reason (attempt 3)");
}

TEST_F(RouterPlaced, OnceWhereAnotherWorkerWouldSayTheSame) {
  const auto stream = workers.submit();
  const auto [prefill, submit] = placed();
  workers.say_failed(1, submit.request, ErrorCode::kInvalidArgument);
  workers.run_for(5 * kMillisecond);
  EXPECT_TRUE(workers.take_submits().empty());
  expect_failed(*stream, ErrorCode::kInvalidArgument, "the reason");
}

TEST_F(RouterPlaced, AnewWhenAWorkerEnds) {
  const auto stream = workers.submit();
  const auto [prefill, first] = placed();
  workers.kill(3);
  workers.run_for(100 * kMillisecond);
  const auto [prefill_again, second] = placed();
  EXPECT_EQ(second.decode_node, 4U);
  EXPECT_EQ(workers.cancelled(first.request), std::vector<comm::NodeId>{1});
  workers.kill(prefill_again);
  workers.run_for(100 * kMillisecond);
  const auto [prefill_last, third] = placed();
  EXPECT_NE(prefill_last, prefill_again);
  expect_whole_answer(*stream, 4, third.request);
  EXPECT_EQ(stream->timeline().attempts, 3);
  ASSERT_FALSE(workers.changes.empty());
  EXPECT_NE(workers.changes[0].find("rank 3 (decode) has ended"), std::string::npos);
}

TEST_F(RouterPlaced, NotAnewOnceAPrefillWorkerHasDoneItsPart) {
  const auto stream = workers.submit();
  const auto [prefill, submit] = placed();
  workers.say_token(3, submit.request, 1);  // it overtook the first
  workers.run_for(5 * kMillisecond);
  workers.kill(prefill);
  workers.say_failed(2, submit.request, ErrorCode::kUnavailable);  // from no worker of it
  workers.run_for(100 * kMillisecond);
  EXPECT_TRUE(workers.take_submits().empty());
  workers.say_token(3, submit.request, 0);
  workers.run_for(5 * kMillisecond);
  EXPECT_EQ(stream->next()->token, 10);
  EXPECT_EQ(stream->next()->token, 11);
}

TEST_F(RouterPlaced, NotAnewOnceTheUserHasAToken) {
  const auto stream = workers.submit();
  const auto [prefill, submit] = placed();
  workers.say_token(3, submit.request, 0);
  workers.run_for(5 * kMillisecond);
  EXPECT_EQ(stream->next()->token, 10);
  workers.kill(3);
  workers.run_for(100 * kMillisecond);
  EXPECT_TRUE(workers.take_submits().empty());
  expect_failed(*stream, ErrorCode::kUnavailable, "rank 3 (decode) went away with the request");
}

TEST_F(RouterPlaced, TokensAreTakenOnceAndFromTheDecodeWorkerOnly) {
  const auto stream = workers.submit();
  const auto [prefill, submit] = placed();
  workers.say_token(4, submit.request, 0);
  workers.say_token(1, submit.request, 0);
  workers.say_failed(4, submit.request, ErrorCode::kInternal);
  workers.run_for(5 * kMillisecond);
  EXPECT_FALSE(stream->has_next());
  for (int times = 0; times < 3; ++times) workers.say_token(3, submit.request, 0);
  workers.say_token(3, submit.request, 1, FinishReason::kLength);
  workers.run_for(5 * kMillisecond);
  EXPECT_EQ(stream->next()->token, 10);
  EXPECT_EQ(stream->next()->token, 11);
  EXPECT_FALSE(stream->next().has_value());
}

TEST_F(RouterPlaced, AnewWhenAWorkerFallsSilentWithinASecond) {
  const auto stream = workers.submit();
  const auto [prefill, first] = placed();
  workers.muted.insert(3);
  workers.run_for(kSecond);
  const auto submits = workers.take_submits();
  ASSERT_EQ(submits.size(), 1U);
  EXPECT_EQ(submits[0].second.decode_node, 4U);
  EXPECT_EQ(workers.cancelled(first.request), (std::vector<comm::NodeId>{1, 3}));
  expect_whole_answer(*stream, 4, submits[0].second.request);
  // It is given nothing until it answers again.
  const auto one = workers.submit();
  const auto two = workers.submit();
  workers.run_for(5 * kMillisecond);
  for (const auto& [node, submit] : workers.take_submits()) EXPECT_EQ(submit.decode_node, 4U);
  workers.muted.clear();
  workers.run_for(2 * kSecond);
  const auto three = workers.submit();
  EXPECT_EQ(placed().second.decode_node, 3U);
  EXPECT_EQ(workers.changes, (std::vector<std::string>{"rank 3 (decode) does not answer",
                                                       "rank 3 (decode) answers again"}));
}

TEST_F(RouterPlaced, StaysWithASilentWorkerWhenThereIsNoOther) {
  workers.kill(4);
  workers.run_for(100 * kMillisecond);
  const auto stream = workers.submit();
  const auto [prefill, submit] = placed();
  workers.muted.insert(3);
  workers.run_for(3 * kSecond);
  const auto later = workers.submit();
  workers.run_for(kSecond);
  EXPECT_TRUE(workers.take_submits().empty());
  EXPECT_FALSE(stream->has_next());
  workers.muted.clear();
  expect_whole_answer(*stream, 3, submit.request);
  workers.run_for(kSecond);
  EXPECT_EQ(workers.take_submits().size(), 1U);  // the later one
}

TEST_F(RouterPlaced, FailsInWordsWhenNobodyComesBack) {
  workers.kill(4);
  workers.run_for(100 * kMillisecond);
  const auto stream = workers.submit();
  (void)placed();
  workers.muted.insert(3);
  workers.run_for(3 * kSecond);
  const auto later = workers.submit();
  workers.run_for(11 * kSecond);
  expect_failed(*stream, ErrorCode::kUnavailable,
                "rank 3 (decode) has the request and does not answer");
  expect_failed(*later, ErrorCode::kUnavailable,
                "no decode worker can take the request: rank 3 does not answer, rank 4 has ended");
  workers.kill(3);
  workers.run_for(100 * kMillisecond);
  const auto last = workers.submit();
  workers.run_for(5 * kMillisecond);
  expect_failed(*last, ErrorCode::kUnavailable, "rank 3 has ended, rank 4 has ended");
}

TEST_F(RouterPlaced, CancelledIsCancelledWhereverItIs) {
  const auto stream = workers.submit();
  const auto [prefill, first] = placed();
  workers.say_failed(1, first.request, ErrorCode::kUnavailable);
  const auto [prefill_again, second] = placed();
  stream->cancel();
  workers.run_for(5 * kMillisecond);
  EXPECT_EQ(workers.cancelled(second.request), (std::vector<comm::NodeId>{1, 4}));
  expect_failed(*stream, ErrorCode::kCancelled, "cancelled");
}

}  // namespace
}  // namespace sluice::runtime
