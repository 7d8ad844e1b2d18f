// SPDX-License-Identifier: Apache-2.0
// Prompts that the decode worker computes itself, and what it tells of itself.
#include <gmock/gmock.h>

#include "runtime/decode/decode_worker.hpp"
#include "tests/runtime/decode/decode_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using testing::kAnswer;
using testing::kDecodeNode;
using testing::kVocab;

class DecodeWorkerLocal : public testing::DecodeWorkerFixture {
 protected:
  static SubmitMessage submit(RequestId id, std::vector<TokenId> prompt = {2, 3, 4}) {
    SubmitMessage message;
    message.request = id;
    message.decode_node = kDecodeNode;
    message.tokens_max = kAnswer;
    message.prompt = std::move(prompt);
    return message;
  }
  void ask(const SubmitMessage& message) {
    router_.send(MessageType::kSubmit, message.encode());
    turn();
  }
  // The counting computation answers {2, 3, 4} by 5, 6, 7: as a prefill worker's first token 5.
};

TEST_F(DecodeWorkerLocal, APromptIsAnsweredFromItsFirstTokenOn) {
  ask(submit(1));
  const auto first = TokenMessage::decode(router_.next(MessageType::kToken)).value();
  EXPECT_EQ(first.index, 0);
  EXPECT_EQ(first.token, 5);
  EXPECT_EQ(first.timeline.pipeline, "");
  EXPECT_EQ(first.timeline.prompt_tokens, 3);
  EXPECT_EQ(first.timeline.output_tokens, 1);
  EXPECT_EQ(first.timeline.queue_us, 7);
  EXPECT_EQ(first.timeline.prefill_us, 40);
  EXPECT_EQ(first.timeline.kv_bytes_wire, 0U);
  for (std::int64_t index = 1; index < kAnswer; ++index) {
    const auto token = TokenMessage::decode(router_.next(MessageType::kToken)).value();
    EXPECT_EQ(token.index, index);
    EXPECT_EQ(token.token, 5 + index);
  }
  expect_idle();
}

TEST_F(DecodeWorkerLocal, TheJobHasPagesForPromptAndAnswer) {
  compute_->holds = true;
  SubmitMessage message = submit(1, std::vector<TokenId>(60, 9));
  message.sampling.seed = 4;
  message.ignore_end = true;
  ask(message);
  ASSERT_EQ(compute_->jobs.size(), 1U);
  const DecodeJob& job = compute_->jobs[0];
  EXPECT_EQ(job.sequence.tokens, 0);
  EXPECT_EQ(job.sequence.blocks.size(), 2U);
  EXPECT_EQ(job.prompt, message.prompt);
  EXPECT_EQ(job.tokens_max, kAnswer);
  EXPECT_EQ(job.sampling.seed, 4U);
  EXPECT_TRUE(job.ignore_end);
}

TEST_F(DecodeWorkerLocal, AnAnswerOfOneTokenGivesThePagesBack) {
  SubmitMessage message = submit(1);
  message.tokens_max = 1;
  ask(message);
  EXPECT_EQ(TokenMessage::decode(router_.next(MessageType::kToken))->finish, FinishReason::kLength);
  expect_idle();
}

TEST_F(DecodeWorkerLocal, WhatCannotBeServedIsRefusedInASentence) {
  const auto refused = [this](SubmitMessage message, ErrorCode code, const char* words) {
    ask(message);
    const FailedMessage failed = failure(router_);
    EXPECT_EQ(failed.request, message.request);
    EXPECT_EQ(failed.code, code);
    EXPECT_THAT(failed.message, HasSubstr(words));
    expect_idle();
  };
  refused(submit(1, {}), ErrorCode::kInvalidArgument, "a prompt");
  refused(submit(2, {1, static_cast<TokenId>(kVocab)}), ErrorCode::kInvalidArgument, "token");
  refused(submit(3, {-1}), ErrorCode::kInvalidArgument, "token");
  refused(submit(4, std::vector<TokenId>(500, 1)), ErrorCode::kInvalidArgument, "kv_memory");
  SubmitMessage message = submit(5);
  message.tokens_max = 0;
  refused(message, ErrorCode::kInvalidArgument, "room to answer");
  message = submit(6);
  message.tokens_max = std::int64_t{1} << 62;
  refused(message, ErrorCode::kInvalidArgument, "room to answer");
  message = submit(7);
  message.decode_node = 1;
  refused(message, ErrorCode::kInternal, "another decode worker");
}

TEST_F(DecodeWorkerLocal, OnlyTheRouterSubmits) {
  other_.send(MessageType::kSubmit, submit(1).encode());
  turn();
  EXPECT_TRUE(compute_->jobs.empty());
}

TEST_F(DecodeWorkerLocal, APromptWaitsForPagesBeforeWhoCameLater) {
  compute_->holds = true;
  hand_over(grant(1));  // takes 3 of the 4 blocks
  expect_all_taken(prefill_);
  (void)router_.next(MessageType::kToken);
  ask(submit(2, std::vector<TokenId>(60, 9)));
  EXPECT_EQ(compute_->jobs.size(), 1U);
  prefill_.send(MessageType::kWant, want(3, whole_).encode());
  turn();
  EXPECT_EQ(worker_->memory().waiting, 1U);
  compute_->finish(compute_->jobs[0]);
  turn();
  ASSERT_EQ(compute_->jobs.size(), 2U);
  EXPECT_EQ(compute_->jobs[1].request, 2U);
  EXPECT_EQ(worker_->memory().waiting, 1U);  // two blocks are left, it wants three
  compute_->finish(compute_->jobs[1]);
  turn();
  EXPECT_EQ(granted(prefill_, 3).request, 3U);
}

TEST_F(DecodeWorkerLocal, CancelledWhileItWaitsItIsNotBegun) {
  compute_->holds = true;
  hand_over(grant(1));
  ask(submit(2, std::vector<TokenId>(60, 9)));
  router_.send(MessageType::kCancel, CancelMessage{2}.encode());
  turn();
  compute_->finish(compute_->jobs[0]);
  turn();
  EXPECT_EQ(compute_->jobs.size(), 1U);
  expect_idle();
}

TEST_F(DecodeWorkerLocal, CancelledWhileItIsComputedItEndsSo) {
  compute_->holds = true;
  ask(submit(1));
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  turn();
  EXPECT_EQ(TokenMessage::decode(router_.next(MessageType::kToken))->finish,
            FinishReason::kCancelled);
  expect_idle();
}

TEST_F(DecodeWorkerLocal, ACancelMayOvertakeItsSubmit) {
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  ask(submit(1));
  EXPECT_TRUE(compute_->jobs.empty());
  ask(submit(2));
  expect_answer(2);
}

TEST_F(DecodeWorkerLocal, ARequestIsHereOnce) {
  compute_->holds = true;
  ask(submit(1));
  ask(submit(1));
  EXPECT_EQ(compute_->jobs.size(), 1U);
  prefill_.send(MessageType::kWant, want(1, whole_).encode());
  turn();
  EXPECT_EQ(failure(prefill_).request, 1U);
  compute_->finish(compute_->jobs[0]);
  turn();
  EXPECT_EQ(TokenMessage::decode(router_.next(MessageType::kToken))->token, 5);
}

TEST_F(DecodeWorkerLocal, FreeRoomIsToldLessWhatWaits) {
  router_.hear();
  ASSERT_EQ(router_.statuses.size(), 1U);  // as soon as it could
  EXPECT_EQ(router_.statuses[0].free_tokens, 4 * kKvBlockTokens);
  EXPECT_EQ(router_.statuses[0].codec_slowness, 1.0);
}

}  // namespace
}  // namespace sluice::runtime
