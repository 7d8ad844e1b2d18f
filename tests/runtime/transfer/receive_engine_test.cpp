// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/receive_engine.hpp"

#include "tests/runtime/transfer/receive_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::kTokens;
using testing::kWhole;
using testing::Receiver;
using testing::Writer;

constexpr std::size_t kArena = 8192;

TEST(ReceiveEngine, AHandoffCompletesAndItsSlotIsFree) {
  Receiver receiver(kArena);
  const GrantMessage slot = receiver.grant(7);
  EXPECT_EQ(slot.request, 7U);
  EXPECT_EQ(slot.epoch, 1U);
  EXPECT_EQ(slot.bytes, 256U);
  EXPECT_TRUE(receiver.engine->knows(7));
  EXPECT_TRUE(receiver.engine->has_handoffs_from(10));
  Writer& writer = receiver.writer();
  const auto pieces = writer.put_all(slot);
  writer.announce(slot, pieces);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  receiver.turn();
  EXPECT_EQ(receiver.sink.taken, 4);
  ASSERT_EQ(receiver.sink.completed.size(), 1U);
  EXPECT_EQ(receiver.sink.completed[0].first, 7U);
  EXPECT_EQ(receiver.taken_bytes(), 0U);
  EXPECT_FALSE(receiver.engine->knows(7));
  EXPECT_FALSE(receiver.engine->has_handoffs_from(10));
  auto messages = writer.received();
  ASSERT_EQ(messages[MessageType::kTaken].size(), 1U);
  EXPECT_TRUE(TakenMessage::decode(messages[MessageType::kTaken][0])->is_all);
  EXPECT_TRUE(messages[MessageType::kFailed].empty());
}

TEST(ReceiveEngine, TheOrderOfMessagesDoesNotMatter) {
  Receiver receiver(kArena);
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  const auto pieces = writer.put_all(slot);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  for (const std::size_t i : {2, 0, 3}) {
    writer.announce(slot, {pieces[i]});
    receiver.turn();
    EXPECT_TRUE(receiver.sink.completed.empty());
  }
  writer.announce(slot, {pieces[1]});
  receiver.turn();
  EXPECT_EQ(receiver.sink.completed.size(), 1U);
}

TEST(ReceiveEngine, NothingIsCompleteWhileAFrameIsWithTheSink) {
  Receiver receiver(kArena);
  receiver.sink.holds = true;
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  const auto pieces = writer.put_all(slot);
  writer.announce(slot, pieces);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  receiver.turn();
  EXPECT_EQ(receiver.sink.held.size(), 4U);
  EXPECT_TRUE(receiver.sink.completed.empty());
  EXPECT_EQ(receiver.taken_bytes(), 256U);
  std::reverse(receiver.sink.held.begin(), receiver.sink.held.end());  // any order
  receiver.sink.done_all();
  EXPECT_EQ(receiver.sink.completed.size(), 1U);
  EXPECT_EQ(receiver.taken_bytes(), 0U);
}

// Sixteen frames through a slot of two.
TEST(ReceiveEngine, ASlotIsARing) {
  Receiver receiver(kArena, {.range = kWhole, .slot_bytes_max = 128});
  const GrantMessage slot = receiver.grant(7, 16 * 64, 10, 64);
  EXPECT_EQ(slot.bytes, 128U);
  Writer& writer = receiver.writer();
  std::vector<Piece> pieces;
  for (std::int32_t layer = 0; layer < 4; ++layer) {
    for (std::int64_t part = 0; part < 4; ++part) {
      const auto place = static_cast<std::uint64_t>(part % 2) * 64;
      pieces.push_back(writer.put(slot, {layer, 1, 0, 2}, part * 10, part * 10 + 10, place));
      writer.announce(slot, {pieces.back()});
      if (place == 0) continue;
      receiver.turn();
      auto messages = writer.received();
      ASSERT_EQ(messages[MessageType::kTaken].size(), 1U);  // both in one
      const auto taken = TakenMessage::decode(messages[MessageType::kTaken][0]);
      EXPECT_EQ(taken->offsets, (std::vector<std::uint64_t>{0, 64}));
      EXPECT_FALSE(taken->is_all);
    }
  }
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  receiver.turn();
  EXPECT_EQ(receiver.sink.completed.size(), 1U);
}

TEST(ReceiveEngine, APlaceIsNotUsedAgainBeforeItWasTaken) {
  Receiver receiver(kArena);
  receiver.sink.holds = true;
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  writer.announce(slot, {writer.put(slot, {0, 1, 0, 2}, 0, kTokens, 0)});
  receiver.turn();
  writer.announce(slot, {writer.put(slot, {1, 1, 0, 2}, 0, kTokens, 0)});
  receiver.turn();
  const auto failures = writer.failures();
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].code, ErrorCode::kCorrupt);
  EXPECT_TRUE(receiver.sink.dropped.empty());  // its frame is still with the sink
  receiver.sink.done_all();
  ASSERT_EQ(receiver.sink.dropped.size(), 1U);
  EXPECT_TRUE(receiver.sink.dropped[0].tell);
}

TEST(ReceiveEngine, ADamagedFrameIsAskedForAgainOnce) {
  for (const bool is_mended : {true, false}) {
    Receiver receiver(kArena);
    const GrantMessage slot = receiver.grant(7);
    Writer& writer = receiver.writer();
    const auto pieces = writer.put_all(slot);
    writer.write(slot, 64 + 5, std::vector<std::byte>(1, std::byte{99}));
    writer.announce(slot, pieces);
    writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
    receiver.turn();
    EXPECT_TRUE(receiver.sink.completed.empty());
    auto messages = writer.received();
    ASSERT_EQ(messages[MessageType::kAgain].size(), 1U);
    const auto again = AgainMessage::decode(messages[MessageType::kAgain][0]);
    EXPECT_EQ(again->offset_bytes, 64U);
    EXPECT_EQ(again->epoch, slot.epoch);
    if (is_mended) (void)writer.put_all(slot);
    writer.announce(slot, {pieces[1]});
    receiver.turn();
    EXPECT_EQ(receiver.sink.completed.size(), is_mended ? 1U : 0U);
    if (is_mended) continue;
    EXPECT_TRUE(writer.received()[MessageType::kAgain].empty());
    ASSERT_EQ(receiver.sink.dropped.size(), 1U);
    EXPECT_EQ(receiver.sink.dropped[0].error.code, ErrorCode::kCorrupt);
    EXPECT_TRUE(receiver.sink.dropped[0].tell);
    EXPECT_EQ(receiver.taken_bytes(), 0U);  // the manifest was the writer's last word
  }
}

TEST(ReceiveEngine, WhatComesAgainMustBeTheSamePiece) {
  Receiver receiver(kArena);
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  Piece piece = writer.put(slot, {0, 1, 0, 2}, 0, kTokens, 0);
  writer.write(slot, 5, std::vector<std::byte>(1, std::byte{99}));
  writer.announce(slot, {piece});
  receiver.turn();
  ASSERT_EQ(writer.received()[MessageType::kAgain].size(), 1U);
  piece.checksum ^= 1;
  writer.announce(slot, {piece});
  receiver.turn();
  EXPECT_EQ(receiver.sink.taken, 1);
  ASSERT_EQ(receiver.sink.dropped.size(), 1U);
  EXPECT_EQ(receiver.sink.dropped[0].error.code, ErrorCode::kCorrupt);
}

TEST(ReceiveEngine, OtherErrorsOfTheSinkFailTheRequestAtOnce) {
  Receiver receiver(kArena);
  receiver.sink.holds = true;
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  writer.announce(slot, {writer.put(slot, {0, 1, 0, 2}, 0, kTokens, 0)});
  receiver.turn();
  const LandedFrame frame = receiver.sink.held.front();
  receiver.sink.held.clear();
  receiver.engine->frame_done(frame, make_error(ErrorCode::kUnsupported, "not this"));
  auto messages = writer.received();
  EXPECT_TRUE(messages[MessageType::kAgain].empty());
  EXPECT_EQ(messages[MessageType::kFailed].size(), 1U);
  EXPECT_EQ(receiver.sink.dropped.size(), 1U);
}

TEST(ReceiveEngine, AManifestThatDisagreesFailsTheRequest) {
  const auto fails = [](auto change) {
    Receiver receiver(kArena);
    const GrantMessage slot = receiver.grant(7);
    Writer& writer = receiver.writer();
    const auto pieces = writer.put_all(slot);
    writer.announce(slot, pieces);
    ManifestMessage manifest = Writer::manifest(slot, pieces);
    change(manifest);
    writer.send(MessageType::kManifest, manifest);
    receiver.turn();
    EXPECT_EQ(receiver.taken_bytes(), 0U);
    EXPECT_EQ(receiver.sink.open_requests(), 0U);
    return receiver.sink.completed.empty() && receiver.sink.dropped.size() == 1 &&
           receiver.sink.dropped[0].error.code == ErrorCode::kCorrupt;
  };
  EXPECT_TRUE(fails([](ManifestMessage& m) { m.prompt_tokens += 1; }));
  EXPECT_TRUE(fails([](ManifestMessage& m) { m.tokens_max += 1; }));
  EXPECT_TRUE(fails([](ManifestMessage& m) { m.range.head_count -= 1; }));
  EXPECT_TRUE(fails([](ManifestMessage& m) { m.frames += 1; }));
  EXPECT_TRUE(fails([](ManifestMessage& m) { m.frames -= 1; }));
  EXPECT_TRUE(fails([](ManifestMessage& m) { m.checksum ^= 1; }));
  EXPECT_FALSE(fails([](ManifestMessage&) {}));
}

// Nothing more will come, so nobody may wait for it.
TEST(ReceiveEngine, AManifestOfFewerFramesThanThePromptFailsTheRequest) {
  Receiver receiver(kArena);
  const GrantMessage slot = receiver.grant(7);
  Writer& writer = receiver.writer();
  auto pieces = writer.put_all(slot);
  pieces.pop_back();
  writer.announce(slot, pieces);
  writer.send(MessageType::kManifest, Writer::manifest(slot, pieces));
  receiver.turn();
  ASSERT_EQ(receiver.sink.dropped.size(), 1U);
  EXPECT_EQ(receiver.sink.dropped[0].error.code, ErrorCode::kCorrupt);
}

// The parts of two ranks of a prefill side make up what this one holds.
TEST(ReceiveEngine, SeveralWritersOfOneRequest) {
  Receiver receiver(kArena);
  constexpr CacheRange kFirst{0, 4, 0, 1};
  constexpr CacheRange kSecond{0, 4, 1, 1};
  Writer& first = receiver.writer(10);
  Writer& second = receiver.writer(11);
  first.want(7, 256, 64, kFirst, 2);
  receiver.turn();
  second.want(7, 256, 64, kSecond, 2);
  receiver.turn();
  EXPECT_EQ(receiver.sink.opened, 1);
  const GrantMessage a = *first.granted();
  const GrantMessage b = *second.granted();
  EXPECT_NE(a.epoch, b.epoch);
  const auto of_first = first.put_all(a, kFirst);
  const auto of_second = second.put_all(b, kSecond);
  first.announce(a, of_first);
  first.send(MessageType::kManifest, Writer::manifest(a, of_first, kFirst));
  receiver.turn();
  // The first is through; its slot need not wait for the second.
  EXPECT_TRUE(TakenMessage::decode(first.received()[MessageType::kTaken].at(0))->is_all);
  EXPECT_TRUE(receiver.sink.completed.empty());
  EXPECT_EQ(receiver.taken_bytes(), 256U);
  EXPECT_FALSE(receiver.engine->has_handoffs_from(10));
  second.announce(b, of_second);
  second.send(MessageType::kManifest, Writer::manifest(b, of_second, kSecond));
  receiver.turn();
  ASSERT_EQ(receiver.sink.completed.size(), 1U);
  EXPECT_EQ(receiver.sink.completed[0].second, 2U);
}

TEST(ReceiveEngine, WritersThatDoNotFitTogetherFailTheRequest) {
  const auto fails = [](CacheRange first, CacheRange second, std::int64_t tokens,
                        std::int32_t writers) {
    Receiver receiver(kArena);
    receiver.writer(10).want(7, 256, 64, first, 2);
    receiver.writer(11).send(MessageType::kWant,
                             WantMessage{7, tokens, 4, 256, 64, second, writers, 0, {}});
    receiver.turn();
    const bool is_failed = receiver.sink.dropped.size() == 1 && receiver.sink.dropped[0].tell;
    EXPECT_EQ(receiver.writer(11).failures().size(), is_failed ? 1U : 0U);
    EXPECT_EQ(receiver.writer(10).failures().size(), is_failed ? 1U : 0U);
    return is_failed;
  };
  EXPECT_FALSE(fails({0, 4, 0, 1}, {0, 4, 1, 1}, kTokens, 2));
  EXPECT_FALSE(fails({0, 1, 0, 2}, {1, 3, 0, 2}, kTokens, 2));
  EXPECT_TRUE(fails({0, 4, 0, 1}, {0, 4, 0, 1}, kTokens, 2));      // the same part twice
  EXPECT_TRUE(fails({0, 4, 0, 2}, {0, 4, 1, 1}, kTokens, 2));      // over one another
  EXPECT_TRUE(fails({0, 4, 0, 1}, {0, 3, 1, 1}, kTokens, 2));      // not the whole
  EXPECT_TRUE(fails({0, 4, 0, 1}, {0, 4, 1, 1}, kTokens + 1, 2));  // of another prompt
  EXPECT_TRUE(fails({0, 4, 0, 1}, {0, 4, 1, 1}, kTokens, 3));
}

TEST(ReceiveEngine, EpochsGoOnFromTheFirst) {
  Receiver receiver(kArena, {.range = kWhole, .first_epoch = std::uint64_t{2} << 40});
  EXPECT_EQ(receiver.grant(7).epoch, std::uint64_t{2} << 40);
  EXPECT_EQ(receiver.grant(8).epoch, (std::uint64_t{2} << 40) + 1);
}

TEST(ReceiveEngine, TheSinkIsAskedBeforeASlotIsTakenAndThenNoMore) {
  Receiver receiver(kArena);
  receiver.sink.has_room = false;
  Writer& writer = receiver.writer();
  writer.want(7, 256);
  receiver.turn();
  EXPECT_FALSE(writer.granted());
  EXPECT_EQ(receiver.taken_bytes(), 0U);
  EXPECT_EQ(receiver.engine->memory().waiting, 1U);
  receiver.sink.has_room = true;
  receiver.turn();
  EXPECT_TRUE(writer.granted());
  receiver.turn();
  EXPECT_EQ(receiver.sink.opened, 1);
  EXPECT_EQ(receiver.engine->memory().waiting, 0U);
}

TEST(ReceiveEngine, WhatTheSinkNeverTakesIsRefused) {
  Receiver receiver(kArena);
  receiver.sink.refuse_with = make_error(ErrorCode::kInvalidArgument, "too long");
  Writer& writer = receiver.writer();
  writer.want(7, 256);
  receiver.turn();
  const auto failures = writer.failures();
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].message, "too long");
  ASSERT_EQ(receiver.sink.dropped.size(), 1U);
  EXPECT_TRUE(receiver.sink.dropped[0].tell);
  EXPECT_EQ(receiver.taken_bytes(), 0U);
}

// One that waits for slots leaves room for whoever asks next.
TEST(ReceiveEngine, ASlotIsAFairShareOfTheArena) {
  Receiver receiver(kArena);
  EXPECT_EQ(receiver.grant(1, 1 << 20, 10).bytes, kArena / 2);
  for (comm::NodeId node = 11; node < 15; ++node) receiver.writer(node).want(node, 1 << 20);
  receiver.turn();
  for (comm::NodeId node = 11; node < 15; ++node) {
    const auto slot = receiver.writer(node).granted();
    ASSERT_TRUE(slot.has_value()) << node;
    EXPECT_NEAR(static_cast<double>(slot->bytes), kArena / 10, 256) << node;
  }
  EXPECT_EQ(receiver.grant(20, 200, 20, 64).bytes, 200U);  // no more than it needs
}

TEST(ReceiveEngine, ASlotHoldsTheLargestFrame) {
  Receiver receiver(kArena, {.range = kWhole, .slot_bytes_max = 128});
  Writer& writer = receiver.writer();
  writer.want(7, 3000, 1000);
  receiver.turn();
  EXPECT_EQ(writer.granted()->bytes, 1000U);
}

// Eight writers, an arena for two slots: each moves one handoff before any moves its second.
TEST(ReceiveEngine, WritersTakeTurns) {
  Receiver receiver(512, {.range = kWhole, .slot_bytes_max = 256});
  for (RequestId round = 0; round < 3; ++round) {
    for (comm::NodeId node = 10; node < 18; ++node) {
      receiver.writer(node).want(node * 10 + round, 256, 256);
    }
  }
  std::map<comm::NodeId, int> moved;
  for (int grants = 0; grants < 24;) {
    receiver.turn();
    for (comm::NodeId node = 10; node < 18; ++node) {
      Writer& writer = receiver.writer(node);
      const auto slot = writer.granted();
      if (!slot) continue;
      ++grants;
      EXPECT_EQ(slot->request, node * 10 + static_cast<RequestId>(moved[node]));  // in order
      ++moved[node];
      const auto pieces = writer.put_all(*slot);
      writer.announce(*slot, pieces);
      writer.send(MessageType::kManifest, Writer::manifest(*slot, pieces));
    }
    int least = 99;
    int most = 0;
    for (comm::NodeId node = 10; node < 18; ++node) {
      least = std::min(least, moved[node]);
      most = std::max(most, moved[node]);
    }
    ASSERT_LE(most - least, 1);
  }
  receiver.turn();
  EXPECT_EQ(receiver.sink.completed.size(), 24U);
  EXPECT_EQ(receiver.taken_bytes(), 0U);
}

}  // namespace
}  // namespace sluice::runtime
