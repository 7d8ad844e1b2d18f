// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/push_engine.hpp"

#include <gmock/gmock.h>

#include "tests/runtime/transfer/push_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kOther;
using testing::kTarget;
using testing::manifest_of;
using testing::piece_of;
using testing::PushFixture;
using testing::want_of;

class PushEngineTest : public PushFixture {};

TEST_F(PushEngineTest, AsksAndWritesNothingBeforeTheGrant) {
  open(7, 4096);
  engine->add(7, piece_of(0, 0, 1000));
  engine->finish(7, manifest_of(7));
  run();
  EXPECT_THAT(types_sent(), ElementsAre(MessageType::kWant));
  EXPECT_EQ(WantMessage::decode(transport.sent[0].payload)->frame_bytes, 4096U);
  EXPECT_EQ(transport.writes_posted, 0U);
}

TEST_F(PushEngineTest, EveryByteHasLandedBeforeItIsAnnouncedAndTheManifestIsLast) {
  const auto memory = open(7, 8192);
  const std::vector<std::byte> before(memory.begin(), memory.end());
  grant(7, 512, 8192);
  for (const int layer : {0, 1, 2}) {
    engine->add(7, piece_of(layer, static_cast<std::uint64_t>(layer) * 2048, 1500), 2048);
    run();
  }
  engine->finish(7, manifest_of(7));
  engine->release(7);
  run();
  EXPECT_THAT(types_sent(),
              ElementsAre(MessageType::kWant, MessageType::kPieces, MessageType::kPieces,
                          MessageType::kPieces, MessageType::kManifest));
  for (const auto& message : transport.sent) EXPECT_EQ(message.writes_unlanded, 0U);
  const auto pieces = pieces_sent(7);
  ASSERT_EQ(pieces.size(), 3U);
  std::uint64_t checksum = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(pieces[i].range, (CacheRange{static_cast<std::int32_t>(i), 1, 0, 2}));
    EXPECT_EQ(std::memcmp(transport.arena.data() + 512 + pieces[i].offset_bytes,
                          before.data() + i * 2048, 1500),
              0);
    checksum = fold_checksum(checksum, 1000 + i);
  }
  const auto manifest = ManifestMessage::decode(transport.sent.back().payload).value();
  EXPECT_EQ(manifest.epoch, kEpoch);
  EXPECT_EQ(manifest.frames, 3U);
  EXPECT_EQ(manifest.checksum, checksum);
  EXPECT_EQ(manifest.range, (CacheRange{0, 30, 0, 2}));
  EXPECT_EQ(manifest.first_token, 42);
  EXPECT_EQ(manifest.timeline.kv_bytes_wire, 4500U);
  EXPECT_GT(manifest.timeline.wire_us, 0);
  EXPECT_GT(manifest.timeline.link_bytes_per_s, 0.0);

  EXPECT_THAT(engine->take_ended(), IsEmpty());
  EXPECT_TRUE(engine->has_handoffs_to(kTarget));
  TakenMessage all{7, kEpoch, {0}, true};
  EXPECT_TRUE(tell(MessageType::kTaken, all));
  const auto ended = engine->take_ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].request, 7U);
  EXPECT_TRUE(ended[0].status.has_value());
  EXPECT_FALSE(engine->has_handoffs_to(kTarget));
  EXPECT_EQ(engine->staging_bytes_taken(), 0U);
  EXPECT_THAT(engine->take_ended(), IsEmpty());
}

TEST_F(PushEngineTest, OneFlushCoversAllHandoffsOfALinkAndEachHearsOneMessage) {
  for (const RequestId id : {1, 2}) {
    open(id, 4096);
    grant(id, id * 8192, 4096);
    engine->add(id, piece_of(0, 0, 500), 1024);
    engine->add(id, piece_of(1, 1024, 500), 1024);
  }
  engine->turn();
  EXPECT_EQ(transport.writes.size(), 2U);  // the small frames of each went together
  EXPECT_EQ(transport.flushes.size(), 1U);
  run();
  EXPECT_EQ(pieces_sent(1).size(), 2U);
  EXPECT_EQ(pieces_sent(2).size(), 2U);
  EXPECT_EQ(transport.sent.size(), 4U);
}

TEST_F(PushEngineTest, ASmallerSlotIsARingAndWaitsForWhatIsTaken) {
  constexpr std::uint64_t kFrame = 10'000;
  constexpr std::uint64_t kRoom = 10'048;
  constexpr int kFrames = 20;
  make_engine({.coalesce_bytes = 0});
  const auto memory = open(7, kRoom * kFrames, kFrame);
  const std::vector<std::byte> before(memory.begin(), memory.end());
  grant(7, 256, 3 * kRoom + 100);
  for (int i = 0; i < kFrames; ++i) {
    engine->add(7, piece_of(i, static_cast<std::uint64_t>(i) * kRoom, kFrame), kRoom);
  }
  engine->finish(7, manifest_of(7));
  std::size_t seen = 0;
  std::deque<std::uint64_t> held;
  std::mt19937 random(3);
  while (seen < kFrames) {
    run();
    const auto pieces = pieces_sent(7);
    ASSERT_TRUE(pieces.size() > seen || !held.empty()) << seen;
    for (; seen < pieces.size(); ++seen) {
      const Piece& piece = pieces[seen];
      const auto layer = static_cast<std::size_t>(piece.range.layer_first);
      ASSERT_EQ(std::memcmp(transport.arena.data() + 256 + piece.offset_bytes,
                            before.data() + layer * kRoom, kFrame),
                0);
      held.push_back(piece.offset_bytes);
    }
    EXPECT_LE(held.size(), 3U);
    const auto one = static_cast<std::ptrdiff_t>(random() % held.size());  // in any order
    EXPECT_TRUE(tell(MessageType::kTaken, TakenMessage{7, kEpoch, {held[one]}, false}));
    held.erase(held.begin() + one);
  }
  run();
  EXPECT_EQ(types_sent().back(), MessageType::kManifest);
}

TEST_F(PushEngineTest, AHandoffWithoutRoomDoesNotHoldUpAnother) {
  open(1, 20'000, 10'000);
  open(2, 20'000, 10'000);
  grant(1, 0, 10'000);
  grant(2, 65'536, 20'000);
  for (const RequestId id : {1, 2}) {
    engine->add(id, piece_of(0, 0, 9'000), 10'048);
    engine->add(id, piece_of(1, 10'048, 9'000));
    engine->finish(id, manifest_of(id));
  }
  run();
  EXPECT_EQ(pieces_sent(1).size(), 1U);
  EXPECT_EQ(pieces_sent(2).size(), 2U);
  EXPECT_EQ(types_sent().back(), MessageType::kManifest);
  EXPECT_EQ(ManifestMessage::decode(transport.sent.back().payload)->request, 2U);
}

TEST_F(PushEngineTest, WhatIsAskedForAgainIsWrittenOnceMoreAtItsPlace) {
  const auto memory = open(7, 8192);
  const std::vector<std::byte> before(memory.begin(), memory.end());
  grant(7, 0, 8192);
  engine->add(7, piece_of(0, 0, 1000), 2048);
  engine->add(7, piece_of(1, 2048, 1000), 2048);  // moves up to the first
  engine->finish(7, manifest_of(7));
  run();
  const Piece second = pieces_sent(7).at(1);
  EXPECT_EQ(second.offset_bytes, 1024U);
  std::memset(transport.arena.data() + second.offset_bytes, 0, 1000);
  transport.sent.clear();
  tell(MessageType::kAgain, AgainMessage{7, kEpoch, second.offset_bytes});
  run();
  EXPECT_THAT(types_sent(), ElementsAre(MessageType::kPieces));  // the manifest is not sent again
  ASSERT_EQ(pieces_sent(7).size(), 1U);
  EXPECT_EQ(pieces_sent(7)[0].offset_bytes, second.offset_bytes);
  EXPECT_EQ(std::memcmp(transport.arena.data() + second.offset_bytes, before.data() + 2048, 1000),
            0);
  // Once only.
  tell(MessageType::kAgain, AgainMessage{7, kEpoch, second.offset_bytes});
  run();
  EXPECT_EQ(types_sent().back(), MessageType::kFailed);
  EXPECT_EQ(engine->take_ended().at(0).status.error().code, ErrorCode::kCorrupt);
}

TEST_F(PushEngineTest, TheManifestWaitsForAPieceThatIsAskedForAgain) {
  open(7, 8192);
  grant(7, 0, 8192);
  engine->add(7, piece_of(0, 0, 1000), 2048);
  run();
  tell(MessageType::kAgain, AgainMessage{7, kEpoch, 0});
  engine->finish(7, manifest_of(7));
  engine->turn();
  EXPECT_EQ(types_sent().back(), MessageType::kPieces);
  run();
  EXPECT_EQ(pieces_sent(7).size(), 2U);
  EXPECT_EQ(types_sent().back(), MessageType::kManifest);
  EXPECT_EQ(ManifestMessage::decode(transport.sent.back().payload)->frames, 1U);
}

TEST_F(PushEngineTest, ASecondGrantChangesNothing) {
  open(7, 4096);
  grant(7, 512, 4096);
  grant(7, 8192, 4096, kTarget, kEpoch + 1);
  engine->add(7, piece_of(0, 0, 1000));
  engine->turn();
  ASSERT_EQ(transport.writes.size(), 1U);
  EXPECT_EQ(transport.writes[0].offset, 512U);
  run();
  EXPECT_EQ(pieces_sent(7).size(), 1U);  // of the first epoch
}

TEST_F(PushEngineTest, AGrantThatIsTooSmallOrOutsideFailsTheHandoff) {
  const std::pair<std::uint64_t, std::uint64_t> bad[] = {
      {0, 2047}, {0, 0}, {kArenaBytes, 2048}, {kArenaBytes - 100, 2048}, {~std::uint64_t{0}, 4096}};
  RequestId id = 1;
  for (const auto& [offset, bytes] : bad) {
    open(id, 4096, 2048);
    grant(id, offset, bytes);
    run();
    EXPECT_EQ(types_sent().back(), MessageType::kFailed);  // so that its slot is free
    const auto ended = engine->take_ended();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].status.error().code, ErrorCode::kCorrupt);
    engine->release(id++);
  }
  EXPECT_EQ(engine->staging_bytes_taken(), 0U);
  EXPECT_EQ(transport.writes_posted, 0U);
}

TEST_F(PushEngineTest, OnlyTheTargetIsHeard) {
  open(7, 4096);
  grant(7, 0, 4096, kOther);
  EXPECT_FALSE(tell(MessageType::kFailed, FailedMessage{7, ErrorCode::kInternal, "no"}, kOther));
  engine->add(7, piece_of(0, 0, 1000));
  run();
  EXPECT_EQ(transport.writes_posted, 0U);
  grant(7, 0, 4096);
  engine->finish(7, manifest_of(7));
  run();
  tell(MessageType::kAgain, AgainMessage{7, kEpoch, 0}, kOther);
  tell(MessageType::kTaken, TakenMessage{7, kEpoch, {}, true}, kOther);
  run();
  EXPECT_EQ(transport.writes_posted, 1U);
  EXPECT_THAT(engine->take_ended(), IsEmpty());
}

TEST_F(PushEngineTest, WhatIsNotOfThisSlotOrEpochIsIgnoredAndNonsenseToo) {
  open(7, 4096);
  grant(7, 0, 4096);
  engine->add(7, piece_of(0, 0, 1000));
  run();
  tell(MessageType::kTaken, TakenMessage{7, kEpoch - 1, {}, true});
  tell(MessageType::kTaken, TakenMessage{7, kEpoch, {64, 1, ~std::uint64_t{0}}, false});
  tell(MessageType::kAgain, AgainMessage{7, kEpoch - 1, 0});
  tell(MessageType::kAgain, AgainMessage{7, kEpoch, 64});
  tell(MessageType::kTaken, TakenMessage{9, kEpoch, {}, true});
  tell(MessageType::kAgain, AgainMessage{9, kEpoch, 0});
  for (const MessageType type : {MessageType::kGrant, MessageType::kTaken, MessageType::kAgain}) {
    EXPECT_TRUE(engine->take(kTarget, type, {}));
  }
  EXPECT_FALSE(engine->take(kTarget, MessageType::kFailed, {}));
  EXPECT_FALSE(engine->take(kTarget, MessageType::kSubmit, {}));
  run();
  EXPECT_EQ(transport.writes_posted, 1U);
  EXPECT_THAT(engine->take_ended(), IsEmpty());
}

TEST_F(PushEngineTest, ATargetThatSpeaksOfWhatItCannotHaveSeenFailsTheHandoff) {
  open(1, 4096);
  open(2, 4096);
  for (const RequestId id : {1, 2}) {
    grant(id, id * 4096, 4096);
    engine->add(id, piece_of(0, 0, 1000));
  }
  engine->turn();
  tell(MessageType::kTaken, TakenMessage{1, kEpoch, {0}, false});  // written, not announced
  tell(MessageType::kTaken, TakenMessage{2, kEpoch, {}, true});    // there was no manifest
  run();
  const auto ended = engine->take_ended();
  ASSERT_EQ(ended.size(), 2U);
  for (const auto& end : ended) EXPECT_EQ(end.status.error().code, ErrorCode::kCorrupt);
}

TEST_F(PushEngineTest, TheMemoryForSendingIsGivenOutAndNeverPromisedTwice) {
  EXPECT_EQ(engine->open({kTarget, want_of(1, kStagingBytes + 1)}).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine->open({kTarget, want_of(1, 0)}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine->open({9, want_of(1, 64)}).error().code, ErrorCode::kInvalidArgument);
  open(1, kStagingBytes);
  EXPECT_EQ(engine->open({kTarget, want_of(1, 64)}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine->open({kTarget, want_of(2, 64)}).error().code, ErrorCode::kResourceExhausted);
  transport.send_status = make_error(ErrorCode::kUnavailable, "cable");
  engine->abort(1, make_error(ErrorCode::kCancelled, "enough"));
  engine->release(1);
  run();
  EXPECT_EQ(engine->staging_bytes_taken(), 0U);
  EXPECT_EQ(engine->open({kTarget, want_of(3, 64)}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(engine->staging_bytes_taken(), 0U);
}

TEST_F(PushEngineTest, ReportsTheLinksItUsedAndWhatWaitsForThem) {
  EXPECT_THAT(engine->link_reports(), IsEmpty());
  open(7, 4096);
  engine->add(7, piece_of(0, 0, 1000));
  EXPECT_EQ(engine->link_reports().at(0).queued_bytes, 0U);  // it waits for the grant
  grant(7, 0, 4096);
  ASSERT_EQ(engine->link_reports().size(), 1U);
  EXPECT_EQ(engine->link_reports()[0].peer, kTarget);
  EXPECT_EQ(engine->link_reports()[0].queued_bytes, 1000U);
  EXPECT_EQ(engine->link_reports()[0].age_us, -1);
  run();
  EXPECT_EQ(engine->link_reports()[0].queued_bytes, 0U);
  engine->meter(kTarget).round_trip(50);
  EXPECT_EQ(engine->link_reports()[0].round_trip_us, 50);
}

}  // namespace
}  // namespace sluice::runtime
