// SPDX-License-Identifier: Apache-2.0
// How requests of a ReceiveEngine end before their time: cancelled, by their writer, by its loss,
// and by what hostile peers say. Their slots: in quarantine until nothing can land there.
#include <limits>

#include "tests/runtime/transfer/receive_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::kTokens;
using testing::kWhole;
using testing::Receiver;
using testing::Writer;

constexpr std::size_t kArena = 8192;
const Status kSilent = make_error(ErrorCode::kUnavailable, "no answer for a second");

TEST(ReceiveEngineEnd, ACancelledRequestsSlotWaitsForTheWritersLastWord) {
  for (const bool says_manifest : {true, false}) {
    Receiver receiver(256);  // room for one slot
    const GrantMessage slot = receiver.grant(7);
    receiver.engine->cancel(7);
    ASSERT_EQ(receiver.sink.dropped.size(), 1U);
    EXPECT_FALSE(receiver.sink.dropped[0].tell);
    EXPECT_FALSE(receiver.engine->knows(7));
    EXPECT_TRUE(receiver.engine->has_handoffs_from(10));
    Writer& writer = receiver.writer();
    EXPECT_EQ(writer.failures().size(), 1U);
    EXPECT_EQ(receiver.quarantined_bytes(), 256U);
    // A late write lands in memory that is nobody else's.
    receiver.writer(11).want(8, 256, 256);
    receiver.turn();
    EXPECT_FALSE(receiver.writer(11).granted());
    const auto pieces = writer.put_all(slot);
    writer.announce(slot, pieces);
    receiver.turn();
    EXPECT_EQ(receiver.sink.taken, 0);
    EXPECT_FALSE(receiver.writer(11).granted());
    if (says_manifest) writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
    if (!says_manifest) writer.fail(7);
    receiver.turn();
    const auto next = receiver.writer(11).granted();
    ASSERT_TRUE(next.has_value());
    EXPECT_GT(next->epoch, slot.epoch);
    EXPECT_EQ(receiver.quarantined_bytes(), 0U);
    EXPECT_FALSE(receiver.engine->has_handoffs_from(10));
  }
}

TEST(ReceiveEngineEnd, CancelledAfterTheManifestTheSlotIsFree) {
  Receiver receiver(kArena);
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  const auto pieces = writer.put_all(slot);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  receiver.turn();
  receiver.engine->cancel(7);
  EXPECT_EQ(receiver.taken_bytes(), 0U);
  writer.announce(slot, pieces);  // overtaken by the manifest
  receiver.turn();
  EXPECT_EQ(receiver.sink.taken, 0);
}

// The manifest is no last word while a frame was asked for again: that one is still to be written.
TEST(ReceiveEngineEnd, WhatWasAskedForAgainMayStillLand) {
  Receiver receiver(kArena);
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  const auto pieces = writer.put_all(slot);
  writer.write(slot, 5, std::vector<std::byte>(1, std::byte{99}));
  writer.announce(slot, pieces);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  receiver.turn();
  receiver.engine->cancel(7);
  EXPECT_EQ(receiver.quarantined_bytes(), 256U);
  writer.announce(slot, {pieces[0]});
  receiver.turn();
  EXPECT_EQ(receiver.taken_bytes(), 0U);
}

TEST(ReceiveEngineEnd, FramesWithTheSinkKeepTheirMemory) {
  Receiver receiver(kArena);
  receiver.sink.holds = true;
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  writer.announce(slot, writer.put_all(slot));
  receiver.turn();
  receiver.engine->cancel(7);
  writer.fail(7);
  receiver.turn();
  EXPECT_TRUE(receiver.sink.dropped.empty());
  EXPECT_EQ(receiver.taken_bytes(), 256U);
  receiver.sink.done_all();
  EXPECT_EQ(receiver.sink.dropped.size(), 1U);
  EXPECT_EQ(receiver.taken_bytes(), 0U);
}

TEST(ReceiveEngineEnd, AWritersFailureEndsTheRequestAndFreesTheSlot) {
  Receiver receiver(kArena);
  (void)receiver.grant(7);
  Writer& writer = receiver.writer();
  writer.fail(7);
  receiver.turn();
  EXPECT_EQ(receiver.taken_bytes(), 0U);
  ASSERT_EQ(receiver.sink.dropped.size(), 1U);
  EXPECT_FALSE(receiver.sink.dropped[0].tell);  // the writer tells the router itself
  EXPECT_TRUE(writer.failures().empty());
}

TEST(ReceiveEngineEnd, TheOtherWritersOfARequestAreTold) {
  Receiver receiver(kArena);
  receiver.writer(10).want(7, 256, 64, {0, 4, 0, 1}, 2);
  receiver.writer(11).want(7, 256, 64, {0, 4, 1, 1}, 2);
  receiver.turn();
  receiver.writer(10).fail(7);
  receiver.turn();
  EXPECT_EQ(receiver.writer(11).failures().size(), 1U);
  EXPECT_EQ(receiver.quarantined_bytes(), 256U);
  receiver.writer(11).fail(7);
  receiver.turn();
  EXPECT_EQ(receiver.taken_bytes(), 0U);
  // A third that comes late does not begin it again.
  receiver.writer(12).want(7, 256, 64, {0, 4, 1, 1}, 2);
  receiver.turn();
  EXPECT_EQ(receiver.writer(12).failures().size(), 1U);
  EXPECT_EQ(receiver.sink.opened, 1);
}

TEST(ReceiveEngineEnd, ALostWritersSlotsAreFreeOnlyWhenItIsGone) {
  Receiver receiver(kArena);
  const GrantMessage slot = receiver.grant(7);
  (void)receiver.grant(8, 256, 11);
  receiver.engine->peer_lost(10, kSilent, comm::PeerFate::kUnknown);
  ASSERT_EQ(receiver.sink.dropped.size(), 1U);
  EXPECT_EQ(receiver.sink.dropped[0].request, 7U);
  EXPECT_EQ(receiver.sink.dropped[0].error.code, ErrorCode::kUnavailable);
  EXPECT_TRUE(receiver.sink.dropped[0].tell);
  EXPECT_EQ(receiver.quarantined_bytes(), 256U);
  EXPECT_TRUE(receiver.engine->has_handoffs_from(10));
  receiver.engine->peer_lost(10, kSilent, comm::PeerFate::kGone);
  EXPECT_EQ(receiver.taken_bytes(), 256U);  // of the other writer
  EXPECT_EQ(receiver.sink.dropped.size(), 1U);
  EXPECT_TRUE(receiver.engine->knows(8));
  (void)slot;
}

TEST(ReceiveEngineEnd, AWriterThatComesBackIsToldAgainAndSaysItsLastWord) {
  Receiver receiver(kArena);
  (void)receiver.grant(7);
  Writer& writer = receiver.writer();
  receiver.engine->peer_lost(10, kSilent, comm::PeerFate::kUnknown);
  EXPECT_EQ(writer.failures().size(), 1U);
  receiver.engine->peer_back(10);
  EXPECT_EQ(writer.failures().size(), 1U);
  writer.fail(7);
  receiver.turn();
  EXPECT_EQ(receiver.taken_bytes(), 0U);
  receiver.engine->peer_back(10);
  EXPECT_TRUE(writer.failures().empty());
}

TEST(ReceiveEngineEnd, WhatWaitedForALostWriterIsForgotten) {
  Receiver receiver(256);
  (void)receiver.grant(7);
  receiver.writer(11).want(8, 256);
  receiver.turn();
  EXPECT_EQ(receiver.engine->memory().waiting, 1U);
  receiver.writers.erase(11);
  receiver.turn();  // the transport says that it is gone
  EXPECT_EQ(receiver.engine->memory().waiting, 0U);
  ASSERT_EQ(receiver.sink.dropped.size(), 1U);
  EXPECT_EQ(receiver.sink.dropped[0].request, 8U);
  EXPECT_FALSE(receiver.engine->has_handoffs_from(11));
}

TEST(ReceiveEngineEnd, ACompletedPartOutlivesItsWriter) {
  Receiver receiver(kArena);
  constexpr CacheRange kFirst{0, 4, 0, 1};
  constexpr CacheRange kSecond{0, 4, 1, 1};
  receiver.writer(10).want(7, 256, 64, kFirst, 2);
  receiver.writer(11).want(7, 256, 64, kSecond, 2);
  receiver.turn();
  for (const auto& [node, range] : {std::pair(10U, kFirst), std::pair(11U, kSecond)}) {
    Writer& writer = receiver.writer(node);
    const GrantMessage slot = *writer.granted();
    const auto pieces = writer.put_all(slot, range);
    writer.announce(slot, pieces);
    writer.send(MessageType::kManifest, Writer::manifest(slot, pieces, range));
    receiver.turn();
    receiver.engine->peer_lost(node, kSilent, comm::PeerFate::kGone);
  }
  EXPECT_EQ(receiver.sink.completed.size(), 1U);
  EXPECT_TRUE(receiver.sink.dropped.empty());
}

// Late, and about memory that is not its any more.
TEST(ReceiveEngineEnd, TheFailureOfACompletedPartIsNone) {
  Receiver receiver(kArena);
  constexpr CacheRange kFirst{0, 4, 0, 1};
  receiver.writer(10).want(7, 256, 64, kFirst, 2);
  receiver.writer(11).want(7, 256, 64, {0, 4, 1, 1}, 2);
  receiver.turn();
  Writer& writer = receiver.writer(10);
  const GrantMessage slot = *writer.granted();
  const auto pieces = writer.put_all(slot, kFirst);
  writer.announce(slot, pieces);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces, kFirst));
  writer.fail(7);
  receiver.turn();
  EXPECT_TRUE(receiver.engine->knows(7));
  EXPECT_EQ(receiver.quarantined_bytes(), 0U);
}

// A stopped writer's slot is in quarantine; one who needs that memory waits, and others do not.
TEST(ReceiveEngineEnd, QuarantineHoldsUpOnlyWhoNeedsItsMemory) {
  Receiver receiver(1024);
  (void)receiver.grant(7, 512, 10, 512);
  receiver.engine->peer_lost(10, kSilent, comm::PeerFate::kUnknown);
  receiver.writer(11).want(8, 1024, 1024);
  for (RequestId id = 100; id < 140; ++id) {
    const GrantMessage slot = receiver.grant(id, 256, 12);
    Writer& writer = receiver.writer(12);
    const auto pieces = writer.put_all(slot);
    writer.announce(slot, pieces);
    writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
    receiver.turn();
  }
  EXPECT_EQ(receiver.sink.completed.size(), 40U);
  EXPECT_FALSE(receiver.writer(11).granted());
  receiver.writer(10).fail(7);
  receiver.turn();
  EXPECT_TRUE(receiver.writer(11).granted());
}

// Messages overtake each other: the end of a request may be here before its Want.
TEST(ReceiveEngineEnd, AnEndThatOvertookTheWantCounts) {
  Receiver receiver(kArena);
  Writer& writer = receiver.writer();
  receiver.engine->cancel(7);
  writer.want(7, 256);
  writer.fail(8);
  writer.want(8, 256);
  receiver.writer(11).want(8, 256);  // the same id, but not that writer's
  receiver.turn();
  auto messages = writer.received();
  EXPECT_EQ(messages[MessageType::kFailed].size(), 2U);
  EXPECT_TRUE(messages[MessageType::kGrant].empty());
  EXPECT_TRUE(receiver.writer(11).granted());
}

TEST(ReceiveEngineEnd, AWriterOfAnUnknownRequestIsToldSoThatItEnds) {
  Receiver receiver(kArena);
  Writer& writer = receiver.writer();
  const GrantMessage made_up{99, 5, 0, 256};
  writer.announce(made_up, {});
  writer.send(MessageType::kManifest, Writer::manifest(made_up, {}));
  receiver.turn();
  EXPECT_EQ(writer.failures().size(), 2U);
  writer.fail(99);
  receiver.turn();
  EXPECT_TRUE(writer.failures().empty());  // no answer to that: the two would not end
}

TEST(ReceiveEngineEnd, MessagesOfAnOldEpochChangeNothing) {
  Receiver receiver(kArena);
  GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  const auto pieces = writer.put_all(slot);
  slot.epoch += 1;
  writer.announce(slot, pieces);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  receiver.turn();
  EXPECT_EQ(receiver.sink.taken, 0);
  EXPECT_TRUE(receiver.engine->knows(7));
  slot.epoch -= 1;
  writer.announce(slot, pieces);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  receiver.turn();
  EXPECT_EQ(receiver.sink.completed.size(), 1U);
}

TEST(ReceiveEngineEnd, OnlyTheWriterOfARequestIsHeard) {
  Receiver receiver(kArena);
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  Writer& stranger = receiver.writer(11);
  auto pieces = writer.put_all(slot);
  stranger.fail(7);
  stranger.want(7, 256);
  stranger.announce(slot, {{{0, 1, 0, 2}, 0, kTokens, 0, 64, 0}});
  stranger.send(MessageType::kManifest, Writer::manifest(slot, {}));
  receiver.turn();
  EXPECT_TRUE(receiver.engine->knows(7));
  EXPECT_EQ(stranger.failures().size(), 1U);  // its Want
  writer.announce(slot, pieces);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  receiver.turn();
  EXPECT_EQ(receiver.sink.completed.size(), 1U);
}

TEST(ReceiveEngineEnd, ARepeatedWantDoesNotHarmTheFirst) {
  Receiver receiver(512);
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  writer.want(7, 256);
  receiver.turn();
  EXPECT_TRUE(writer.received().empty());
  writer.want(8, 512, 512);  // waits
  writer.want(8, 64);
  receiver.turn();
  EXPECT_TRUE(writer.received().empty());
  EXPECT_EQ(receiver.engine->memory().waiting, 1U);
  writer.announce(slot, writer.put_all(slot));
  receiver.turn();
  EXPECT_EQ(receiver.sink.taken, 4);
}

// Refused before anything is taken.
TEST(ReceiveEngineEnd, WantsThatCannotBeAreRefused) {
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  constexpr std::int64_t kLong = std::numeric_limits<std::int64_t>::max();
  constexpr std::int32_t kInt = std::numeric_limits<std::int32_t>::max();
  const WantMessage good{7, kTokens, 4, 256, 64, kWhole, 1, 0, {}};
  const auto is_refused = [&](auto change) {
    Receiver receiver(kArena);
    WantMessage want = good;
    change(want);
    receiver.writer().send(MessageType::kWant, want);
    receiver.turn();
    EXPECT_EQ(receiver.sink.opened, receiver.sink.dropped.empty() ? 1 : 0);
    return receiver.writer().failures().size() == 1 && receiver.sink.dropped.size() == 1 &&
           receiver.taken_bytes() == 0;
  };
  EXPECT_FALSE(is_refused([](WantMessage&) {}));
  EXPECT_FALSE(is_refused([](WantMessage& w) { w.frame_bytes = kMost; }));  // a ring will do
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.prompt_tokens = 0; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.prompt_tokens = -1; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.prompt_tokens = kLong; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.tokens_max = 0; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.tokens_max = kLong; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.frame_bytes = 0; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.frame_bytes_largest = 0; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.frame_bytes_largest = 257; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) {
    w.frame_bytes = kMost;
    w.frame_bytes_largest = kMost;
  }));
  EXPECT_TRUE(is_refused([](WantMessage& w) {
    w.frame_bytes = kArena + 1;
    w.frame_bytes_largest = kArena + 1;
  }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.writers = 0; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.writers = -1; }));
  EXPECT_TRUE(is_refused([](WantMessage& w) { w.writers = 65; }));
  for (const CacheRange range :
       {CacheRange{}, CacheRange{-1, 4, 0, 2}, CacheRange{0, 5, 0, 2}, CacheRange{0, 4, 0, 3},
        CacheRange{0, 4, -1, 2}, CacheRange{0, 4, 1, kInt}, CacheRange{kInt, kInt, 0, 2},
        CacheRange{0, -4, 0, 2}, CacheRange{0, 4, 0, 1}}) {
    EXPECT_TRUE(is_refused([&](WantMessage& w) { w.range = range; })) << range.layer_first;
  }
}

TEST(ReceiveEngineEnd, BytesThatAreNoMessageAreDropped) {
  Receiver receiver(kArena);
  (void)receiver.grant(7);
  const std::vector<std::byte> noise(11, std::byte{0xee});
  for (const MessageType type :
       {MessageType::kWant, MessageType::kPieces, MessageType::kManifest, MessageType::kFailed}) {
    EXPECT_TRUE(receiver.engine->take(10, type, noise));
  }
  EXPECT_FALSE(receiver.engine->take(10, MessageType::kGrant, noise));
  EXPECT_FALSE(receiver.engine->take(10, MessageType::kCancel, noise));
  EXPECT_TRUE(receiver.engine->knows(7));
}

}  // namespace
}  // namespace sluice::runtime
