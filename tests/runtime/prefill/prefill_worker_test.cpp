// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/prefill_worker.hpp"

#include <gmock/gmock.h>

#include "tests/runtime/prefill/prefill_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kDecodeNode;
using testing::kOtherNode;
using testing::kRouterNode;
using testing::kTokens;
using testing::PrefillFixture;

class PrefillWorkerTest : public PrefillFixture {};

TEST_F(PrefillWorkerTest, AskedThenGrantedItWritesEverythingAndSaysSo) {
  for (const RequestId id : {1, 2}) {
    submit(id);
    const WantMessage asked = want(id);
    EXPECT_EQ(asked.frame_bytes, plan.bytes);
    EXPECT_EQ(asked.prompt_tokens, kTokens);
    EXPECT_EQ(asked.tokens_max, 3);
    EXPECT_EQ(asked.range, plan.range);
    EXPECT_LT(asked.frame_bytes_largest, plan.bytes);
    EXPECT_GE(asked.frame_bytes_largest, plan.frames[0].bytes_max);
    grant(id);
    compute->finish(id);
    const auto word = last_word();
    ASSERT_EQ(word.first, MessageType::kManifest);
    const auto manifest = ManifestMessage::decode(word.second).value();
    EXPECT_EQ(manifest.epoch, 11U);
    EXPECT_EQ(manifest.frames, plan.frames.size());
    EXPECT_EQ(manifest.range, plan.range);
    EXPECT_EQ(worker->staging_bytes_taken(), staging_bytes);  // Again may still come
    send(kDecodeNode, MessageType::kTaken, TakenMessage{id, 11, {}, true});
  }
  run_for(10'000);
  EXPECT_EQ(worker->staging_bytes_taken(), 0U);
  EXPECT_THAT(peers[kRouterNode].messages, IsEmpty());
}

TEST_F(PrefillWorkerTest, FramesLeaveWhileOthersAreStillMade) {
  submit(1);
  want(1);
  grant(1);
  compute->make(1, 3);
  const auto pieces = PiecesMessage::decode(next(kDecodeNode, MessageType::kPieces)).value();
  EXPECT_EQ(pieces.pieces.size(), 3U);
  EXPECT_EQ(pieces.epoch, 11U);
}

TEST_F(PrefillWorkerTest, CancelledItsLastWordIsFailedAndTheMemoryIsFreeOnceTheComputationEnds) {
  submit(1);
  want(1);
  compute->make(1, 2);
  send(kRouterNode, MessageType::kCancel, CancelMessage{1});
  EXPECT_EQ(failed(kDecodeNode).code, ErrorCode::kCancelled);
  EXPECT_THAT(compute->cancelled, ElementsAre(1));
  grant(1);  // crossed with the failure: answered, so that the slot is free
  EXPECT_EQ(failed(kDecodeNode).request, 1U);
  submit(2);
  run_for(10'000);
  EXPECT_THAT(peers[kDecodeNode].messages, IsEmpty());  // the computation may still write
  compute->make(1, 1);
  compute->fail(1, ErrorCode::kCancelled, "cancelled");
  want(2);
  EXPECT_THAT(peers[kRouterNode].messages, IsEmpty());
}

TEST_F(PrefillWorkerTest, ACancelMayOvertakeItsRequest) {
  send(kRouterNode, MessageType::kCancel, CancelMessage{1});
  run_for(1'000);
  submit(1);
  run_for(1'000);
  submit(2);
  want(2);
}

TEST_F(PrefillWorkerTest, ARequestThatWaitsForMemoryCanBeCancelled) {
  submit(1);
  want(1);
  run_for(1'000);
  submit(2);
  run_for(1'000);
  submit(3);
  run_for(1'000);
  send(kRouterNode, MessageType::kCancel, CancelMessage{2});
  grant(1);
  compute->finish(1);
  EXPECT_EQ(last_word().first, MessageType::kManifest);
  send(kDecodeNode, MessageType::kTaken, TakenMessage{1, 11, {}, true});
  want(3);
}

TEST_F(PrefillWorkerTest, OnlyTheRouterSubmitsAndCancels) {
  SubmitMessage message;
  message.request = 1;
  message.decode_node = kDecodeNode;
  message.prompt = {1, 2, 3};
  send(kOtherNode, MessageType::kSubmit, message);
  submit(2);
  want(2);
  send(kOtherNode, MessageType::kCancel, CancelMessage{2});
  run_for(10'000);
  EXPECT_THAT(compute->cancelled, IsEmpty());
  EXPECT_FALSE(compute->jobs.contains(1));
}

TEST_F(PrefillWorkerTest, WhatCannotBeServedIsRefusedInWords) {
  submit(1, kDecodeNode, 3 * kTokens);
  const auto large = failed(kRouterNode);
  EXPECT_EQ(large.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(large.message, HasSubstr("prefill.send_memory"));
  for (const char* name : {"int5", "../raw"}) {
    submit(2, kDecodeNode, kTokens, name);
    const auto unknown = failed(kRouterNode);
    EXPECT_EQ(unknown.code, ErrorCode::kNotFound);
    EXPECT_THAT(unknown.message, HasSubstr(std::string("there is no pipeline \"") + name));
  }
  submit(3, kRouterNode);
  EXPECT_EQ(failed(kRouterNode).code, ErrorCode::kInternal);
}

TEST_F(PrefillWorkerTest, ARequestMayChooseItsPipelineByName) {
  submit(1, kDecodeNode, kTokens / 2, "int4");
  EXPECT_EQ(want(1).frame_bytes,
            plan_frames(*pipelines->find("int4").value(), kTokens / 2, 16).bytes);
  EXPECT_EQ(compute->jobs.at(1).pipeline->name(), "int4");
}

TEST_F(PrefillWorkerTest, AFailureOfTheComputationReachesBothSides) {
  submit(1);
  want(1);
  grant(1);
  compute->make(1, 2);
  EXPECT_EQ(next(kDecodeNode).first, MessageType::kPieces);
  compute->fail(1, ErrorCode::kResourceExhausted, "no blocks");
  EXPECT_EQ(failed(kRouterNode).message, "no blocks");
  EXPECT_EQ(failed(kDecodeNode).message, "no blocks");
  run_for(10'000);
  EXPECT_EQ(worker->staging_bytes_taken(), 0U);
}

TEST_F(PrefillWorkerTest, AFailureOfTheDecodeWorkerIsItsOwnToTell) {
  submit(1);
  want(1);
  grant(1);
  compute->make(1, 2);
  EXPECT_EQ(next(kDecodeNode).first, MessageType::kPieces);
  send(kDecodeNode, MessageType::kFailed, FailedMessage{1, ErrorCode::kCorrupt, "wet"});
  EXPECT_EQ(failed(kDecodeNode).code, ErrorCode::kCorrupt);  // the last word
  EXPECT_THAT(compute->cancelled, ElementsAre(1));
  EXPECT_THAT(peers[kRouterNode].messages, IsEmpty());
}

TEST_F(PrefillWorkerTest, AGrantOfTheWrongSizeFailsTheRequest) {
  submit(1);
  want(1);
  send(kDecodeNode, MessageType::kGrant, GrantMessage{1, 11, 0, 8});
  EXPECT_EQ(failed(kRouterNode).code, ErrorCode::kCorrupt);
  EXPECT_EQ(failed(kDecodeNode).code, ErrorCode::kCorrupt);
}

TEST_F(PrefillWorkerTest, ASilentDecodeWorkersRequestsFailWithinASecondAndOthersGoOn) {
  submit(1);
  want(1);
  grant(1);
  run_for(1'000);
  world->set_frozen(kDecodeNode, true);
  peers[kDecodeNode].is_frozen = true;
  const std::int64_t frozen_us = world->now_us();
  EXPECT_EQ(failed(kRouterNode).code, ErrorCode::kUnavailable);
  EXPECT_LT(world->now_us() - frozen_us, 1'100'000);
  EXPECT_THAT(compute->cancelled, ElementsAre(1));
  compute->fail(1, ErrorCode::kCancelled, "cancelled");
  submit(2, kOtherNode);
  want(2, kOtherNode);
  grant(2, kOtherNode);
  compute->finish(2);
  EXPECT_EQ(last_word(kOtherNode).first, MessageType::kManifest);
  // It goes on, and hears the last word.
  world->set_frozen(kDecodeNode, false);
  peers[kDecodeNode].is_frozen = false;
  EXPECT_EQ(failed(kDecodeNode).request, 1U);
}

TEST_F(PrefillWorkerTest, ALostDecodeWorkersRequestsFailAndItsSuccessorIsServed) {
  submit(1);
  want(1);
  grant(1);
  compute->make(1, 2);
  run_for(100);
  submit(2);  // waits for memory
  run_for(100);
  world->kill(kDecodeNode);
  peers[kDecodeNode].transport.reset();
  EXPECT_EQ(failed(kRouterNode).code, ErrorCode::kUnavailable);
  EXPECT_EQ(failed(kRouterNode).code, ErrorCode::kUnavailable);
  compute->fail(1, ErrorCode::kCancelled, "cancelled");
  run_for(10'000);
  EXPECT_EQ(worker->staging_bytes_taken(), 0U);
  submit(3);
  EXPECT_EQ(failed(kRouterNode).code, ErrorCode::kUnavailable);

  open(kDecodeNode);
  join(kDecodeNode);
  run_for(1'000);
  submit(4);
  want(4);
  grant(4);
  compute->finish(4);
  EXPECT_EQ(last_word().first, MessageType::kManifest);
}

TEST_F(PrefillWorkerTest, ASuccessorThatJoinsBeforeTheLossIsNoticedEndsWhatTheOldOneHad) {
  submit(1);
  want(1);
  run_for(1'000);
  peers[kDecodeNode].transport.reset();  // noticed later than the message comes
  open(kDecodeNode);
  join(kDecodeNode);
  EXPECT_EQ(failed(kRouterNode).code, ErrorCode::kUnavailable);
  EXPECT_THAT(compute->cancelled, ElementsAre(1));
}

TEST_F(PrefillWorkerTest, LinksAreReportedWhileTheyAreInUseAndForAWhileAfter) {
  run_for(1'000'000);
  EXPECT_THAT(peers[kRouterNode].links, IsEmpty());
  submit(1);
  want(1);
  grant(1);
  compute->finish(1);
  EXPECT_EQ(last_word().first, MessageType::kManifest);
  send(kDecodeNode, MessageType::kTaken, TakenMessage{1, 11, {}, true});
  run_for(10'000'000);
  const auto& links = peers[kRouterNode].links;
  ASSERT_GE(links.size(), 5U);
  EXPECT_LE(links.size(), 20U);
  ASSERT_EQ(links.back().links.size(), 1U);
  EXPECT_EQ(links.back().links[0].peer, kDecodeNode);
  EXPECT_EQ(links.back().links[0].queued_bytes, 0U);
}

TEST_F(PrefillWorkerTest, WhatItsCacheHoldsIsToldToTheRouter) {
  compute->tell({.stored = {3, 4}, .evicted = {7}});
  const auto told = PrefixesMessage::decode(next(kRouterNode, MessageType::kPrefixes)).value();
  EXPECT_THAT(told.stored, ::testing::ElementsAre(3, 4));
  EXPECT_THAT(told.evicted, ::testing::ElementsAre(7));
}

TEST_F(PrefillWorkerTest, TheRouterEndsIt) {
  (void)peers[kRouterNode].transport->send(testing::kPrefillNode,
                                           static_cast<std::uint16_t>(MessageType::kShutdown), {});
  (void)next(kRouterNode, MessageType::kGoodbye);
  EXPECT_TRUE(has_ended);
  EXPECT_TRUE(worker->end().has_value());
}

}  // namespace
}  // namespace sluice::runtime
