// SPDX-License-Identifier: Apache-2.0
// How handoffs end early: by the caller, the target, a failing link, a lost peer.
#include <gmock/gmock.h>

#include "tests/runtime/transfer/push_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kTarget;
using testing::manifest_of;
using testing::piece_of;
using testing::PushFixture;
using testing::want_of;

const Error kEnough{ErrorCode::kCancelled, "enough"};

class PushAbortTest : public PushFixture {
 protected:
  // A handoff of two frames under way, after so many steps.
  void start(int steps) {
    open(7, 300'000);
    if (steps-- == 0) return;
    grant(7, 0, 300'000);
    engine->add(7, piece_of(0, 0, 100'000));
    if (steps-- == 0) return;
    engine->turn();
    if (steps-- == 0) return;
    step();
    if (steps-- == 0) return;
    engine->turn();
    engine->add(7, piece_of(1, 100'032, 100'000));
    engine->turn();
    if (steps-- == 0) return;
    engine->finish(7, manifest_of(7));
    run();
  }
  static constexpr int kSteps = 6;
};

TEST_F(PushAbortTest, AtEveryStepTheLastWordIsFailedOnceNothingCanLand) {
  for (int steps = 0; steps < kSteps; ++steps) {
    SCOPED_TRACE(steps);
    make_engine({});
    transport.sent.clear();
    transport.writes.clear();
    transport.flushes.clear();
    transport.writes_landed = transport.writes_posted;
    start(steps);
    engine->abort(7, kEnough);
    engine->abort(7, {ErrorCode::kInternal, "a second failure says nothing"});
    const std::size_t posted = transport.writes_posted;
    engine->add(7, piece_of(2, 200'064, 1000));
    engine->finish(7, manifest_of(7));
    engine->release(7);
    run();
    EXPECT_EQ(transport.writes_posted, posted);  // nothing more
    ASSERT_EQ(types_sent().back(), MessageType::kFailed);
    EXPECT_EQ(std::ranges::count(types_sent(), MessageType::kFailed), 1);
    EXPECT_EQ(transport.sent.back().writes_unlanded, 0U);
    EXPECT_TRUE(transport.flushes.empty());
    EXPECT_EQ(FailedMessage::decode(transport.sent.back().payload)->message, "enough");
    const auto ended = engine->take_ended();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].status.error().code, ErrorCode::kCancelled);
    EXPECT_FALSE(ended[0].target_knows);
    EXPECT_EQ(engine->staging_bytes_taken(), 0U);
    EXPECT_EQ(engine->link_reports().at(0).queued_bytes, 0U);
    engine->abort(7, kEnough);
    run();
    EXPECT_THAT(engine->take_ended(), IsEmpty());
  }
}

TEST_F(PushAbortTest, AGrantForAHandoffThatHasEndedIsAnswered) {
  open(7, 4096);
  engine->abort(7, kEnough);
  run();
  grant(7, 0, 4096);
  grant(99, 0, 4096);
  EXPECT_THAT(types_sent(), ElementsAre(MessageType::kWant, MessageType::kFailed,
                                        MessageType::kFailed, MessageType::kFailed));
  EXPECT_EQ(FailedMessage::decode(transport.sent.back().payload)->request, 99U);
}

TEST_F(PushAbortTest, WhatTheTargetSaysOfItsFailureIsPassedOn) {
  open(7, 4096);
  grant(7, 0, 4096);
  engine->add(7, piece_of(0, 0, 1000));
  engine->turn();
  EXPECT_TRUE(tell(MessageType::kFailed, FailedMessage{7, ErrorCode::kCorrupt, "wet"}));
  EXPECT_THAT(engine->take_ended(), IsEmpty());
  run();
  EXPECT_EQ(types_sent().back(), MessageType::kFailed);  // the slot is free from now
  const auto ended = engine->take_ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].status.error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(ended[0].target_knows);
}

TEST_F(PushAbortTest, ARefusalBeforeTheGrantNeedsNoWordButAGrantThatCrossedItDoes) {
  open(7, 4096);
  EXPECT_TRUE(tell(MessageType::kFailed, FailedMessage{7, ErrorCode::kInternal, "no"}));
  grant(7, 0, 4096);  // sent before the failure, and late
  EXPECT_THAT(types_sent(), ElementsAre(MessageType::kWant, MessageType::kFailed));
  run();
  EXPECT_EQ(transport.sent.size(), 2U);
  EXPECT_TRUE(engine->take_ended().at(0).target_knows);
}

TEST_F(PushAbortTest, StagingMemoryIsHeldWhileAWriteOfItIsUnderWayAndUntilItIsReleased) {
  open(7, kStagingBytes);
  grant(7, 0, kStagingBytes);
  engine->add(7, piece_of(0, 0, 1000));
  engine->turn();
  engine->peer_lost(kTarget, make_error(ErrorCode::kUnavailable, "cable"));
  EXPECT_EQ(engine->take_ended().at(0).status.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(engine->has_handoffs_to(kTarget));
  engine->set_arena(kTarget, {kTarget, 5, kArenaBytes});
  EXPECT_EQ(engine->open({kTarget, want_of(8, 64)}).error().code, ErrorCode::kResourceExhausted);
  engine->release(7);
  EXPECT_EQ(engine->open({kTarget, want_of(8, 64)}).error().code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(engine->take(transport.land(make_error(ErrorCode::kUnavailable, "cable"))));
  EXPECT_TRUE(engine->open({kTarget, want_of(8, 64)}).has_value());
  // The flush of the lost one says nothing about its successor.
  EXPECT_TRUE(engine->take(transport.finish_flush(make_error(ErrorCode::kUnavailable, "cable"))));
  EXPECT_TRUE(engine->has_handoffs_to(kTarget));
}

TEST_F(PushAbortTest, StagingMemoryIsHeldUntilTheCallerHasCeasedToWriteIt) {
  open(7, kStagingBytes);
  engine->abort(7, kEnough);
  run();
  EXPECT_EQ(engine->open({kTarget, want_of(8, 64)}).error().code, ErrorCode::kResourceExhausted);
  engine->release(7);
  EXPECT_TRUE(engine->open({kTarget, want_of(8, 64)}).has_value());
}

TEST_F(PushAbortTest, WhatASilentTargetDoesNotAnswerHoldsNoMemoryOnceItsWritesAreDone) {
  open(7, kStagingBytes);
  grant(7, 0, kStagingBytes);
  engine->add(7, piece_of(0, 0, 1000));
  engine->turn();
  engine->abort(7, kEnough);
  engine->release(7);
  EXPECT_EQ(engine->staging_bytes_taken(), kStagingBytes);
  EXPECT_TRUE(engine->take(transport.land()));
  EXPECT_EQ(engine->staging_bytes_taken(), 0U);  // the flush is still under way
  EXPECT_TRUE(engine->has_handoffs_to(kTarget));
  EXPECT_THAT(types_sent(), ElementsAre(MessageType::kWant));
  run();
  EXPECT_EQ(types_sent().back(), MessageType::kFailed);
  EXPECT_FALSE(engine->has_handoffs_to(kTarget));
}

TEST_F(PushAbortTest, ALostPeerIsNoTargetUntilAnotherProcessTakesItsPlace) {
  engine->peer_lost(kTarget, make_error(ErrorCode::kUnavailable, "cable"));
  EXPECT_EQ(engine->open({kTarget, want_of(1, 64)}).error().code, ErrorCode::kUnavailable);
  engine->set_arena(kTarget, {kTarget, 5, kArenaBytes});
  open(1, 64);
  // Another one yet: what was opened with the one before is over.
  engine->set_arena(kTarget, {kTarget, 6, kArenaBytes});
  EXPECT_EQ(engine->take_ended().at(0).status.error().code, ErrorCode::kUnavailable);
}

TEST_F(PushAbortTest, AFailedWriteFailsItsHandoffAndTheFlushBehindItSaysWhetherTheLinkWorks) {
  open(7, 4096);
  open(8, 4096);
  grant(7, 0, 4096);
  grant(8, 4096, 4096);
  engine->add(7, piece_of(0, 0, 1000));
  engine->turn();
  EXPECT_TRUE(engine->take(transport.land(make_error(ErrorCode::kInternal, "cable"))));
  run();
  EXPECT_EQ(types_sent().back(), MessageType::kFailed);
  const auto ended = engine->take_ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].status.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(ended[0].status.error().message.find("cable"), std::string::npos);
  transport.write_status = make_error(ErrorCode::kInternal, "cable");
  engine->add(8, piece_of(0, 0, 1000));
  run();
  EXPECT_EQ(engine->take_ended().at(0).request, 8U);
}

TEST_F(PushAbortTest, WithoutAFlushThereIsNoLastWord) {
  open(7, 4096);
  grant(7, 0, 4096);
  engine->add(7, piece_of(0, 0, 1000));
  engine->turn();
  engine->abort(7, kEnough);
  EXPECT_TRUE(engine->take(transport.land()));
  EXPECT_TRUE(engine->take(transport.finish_flush(make_error(ErrorCode::kUnavailable, "cable"))));
  run();
  EXPECT_THAT(types_sent(), ElementsAre(MessageType::kWant));
  EXPECT_EQ(engine->take_ended().at(0).status.error().code, ErrorCode::kCancelled);
}

// A target that says anything at any time: writes stay within the slot that it granted first, each
// handoff ends once, and its memory comes back.
TEST_F(PushAbortTest, WhateverATargetSaysNothingLeavesItsSlotAndAllComesBack) {
  std::mt19937 random(11);
  for (RequestId id = 1; id < 400; ++id) {
    SCOPED_TRACE(id);
    transport.sent.clear();
    open(id, 65'536, 8'192);
    const std::uint64_t slot_offset = 64 * (random() % 1024);
    const std::uint64_t slot_bytes = 8'192 + random() % 60'000;
    std::size_t added = 0;
    const auto offset = [&]() -> std::uint64_t {
      const auto pieces = pieces_sent(id);
      if (pieces.empty() || random() % 4 == 0) return 64 * (random() % 1024);
      return pieces[random() % pieces.size()].offset_bytes;
    };
    for (int turn = 0; turn < 60; ++turn) {
      const std::uint64_t epoch = random() % 8 == 0 ? kEpoch + 1 : kEpoch;
      switch (random() % 8) {
        case 0:
          if (turn > 3) {
            grant(id, 64 * (random() % 40'000), random(), kTarget, epoch);
          } else {
            grant(id, slot_offset, slot_bytes);
          }
          break;
        case 1:
          tell(MessageType::kTaken, TakenMessage{id, epoch, {offset(), offset()}, false});
          break;
        case 2:
          if (random() % 8 == 0) tell(MessageType::kTaken, TakenMessage{id, epoch, {}, true});
          break;
        case 3:
          if (random() % 4 == 0) tell(MessageType::kAgain, AgainMessage{id, epoch, offset()});
          break;
        case 4:
          if (random() % 16 == 0) engine->abort(id, kEnough);
          break;
        case 5:
          if (added < 8) {
            engine->add(id, piece_of(static_cast<int>(added), added * 8'192, 1 + random() % 8'192),
                        8'192);
            if (++added == 8) engine->finish(id, manifest_of(id));
          }
          break;
        default:
          if (random() % 2 == 0) engine->turn();
          step();
      }
      for (const auto& write : transport.writes) {
        EXPECT_GE(write.offset, slot_offset);
        EXPECT_LE(write.offset + write.source.size(), slot_offset + slot_bytes);
      }
    }
    engine->abort(id, kEnough);
    engine->release(id);
    run();
    EXPECT_EQ(engine->take_ended().size(), 1U);
    EXPECT_EQ(engine->staging_bytes_taken(), 0U);
    EXPECT_FALSE(engine->has_handoffs_to(kTarget));
  }
}

TEST_F(PushAbortTest, AFrameOutsideTheHandoffsMemoryFailsIt) {
  RequestId id = 1;
  for (const Piece& piece : {piece_of(0, 4032, 65), piece_of(0, 0, 0), piece_of(0, 1, 10),
                             piece_of(0, ~std::uint64_t{63}, 128), piece_of(0, 0, 2049)}) {
    open(id, 4096, 2048);
    engine->add(id, piece);
    run();
    EXPECT_EQ(engine->take_ended().at(0).status.error().code, ErrorCode::kInternal);
    engine->release(id++);
  }
}

}  // namespace
}  // namespace sluice::runtime
