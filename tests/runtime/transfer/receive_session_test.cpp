// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/receive_session.hpp"

#include <limits>

#include "kernels/elementwise/kv_rows.hpp"
#include "runtime/frames/kv_pages.hpp"
#include "tests/runtime/transfer/handoff_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::Handoff;
using testing::kTokens;

// All messages of a whole handoff, not yet taken by the receiver.
std::vector<comm::Completion> whole(Handoff& handoff) {
  EXPECT_TRUE(handoff.sender->grant(handoff.grant, handoff.remote_arena).has_value());
  handoff.add_all_pieces();
  handoff.sender->finish(handoff.manifest());
  return handoff.run();
}

Status take(Handoff& handoff, const comm::Completion& message) {
  if (static_cast<MessageType>(message.type) == MessageType::kPieces) {
    return handoff.receive(PiecesMessage::decode(message.payload).value());
  }
  return handoff.receiver->take(ManifestMessage::decode(message.payload).value());
}

TEST(ReceiveSession, RowsEndUpInThePages) {
  Handoff handoff;
  for (const auto& message : whole(handoff)) {
    EXPECT_FALSE(handoff.receiver->is_complete().value());
    ASSERT_TRUE(take(handoff, message).has_value());
  }
  ASSERT_TRUE(handoff.receiver->is_complete().value());
  EXPECT_EQ(handoff.receiver->manifest().first_token, 42);
  EXPECT_TRUE(handoff.receiver->kept().dropped().empty());
  std::vector<std::byte> sent, received;
  for (std::int64_t layer = 0; layer < handoff.shape.layers; ++layer) {
    const PagesOfLayer source(*handoff.source_pool, handoff.source_blocks, layer);
    const PagesOfLayer target(*handoff.pool, handoff.receiver->blocks(), layer);
    sent.resize(static_cast<std::size_t>(kTokens) * source.view().row_bytes());
    received.resize(sent.size());
    kernels::pack_kv_rows(source.view(), 0, kTokens, sent.data());
    kernels::pack_kv_rows(target.view(), 0, kTokens, received.data());
    EXPECT_EQ(sent, received) << layer;
  }
}

TEST(ReceiveSession, TheOrderOfMessagesDoesNotMatter) {
  Handoff handoff;
  auto messages = whole(handoff);
  // One piece a message, so that they can be shuffled, the manifest first.
  ASSERT_TRUE(take(handoff, messages.back()).has_value());
  messages.pop_back();
  std::vector<Piece> pieces;
  for (const auto& message : messages) {
    const PiecesMessage some = PiecesMessage::decode(message.payload).value();
    pieces.insert(pieces.end(), some.pieces.begin(), some.pieces.end());
  }
  std::shuffle(pieces.begin(), pieces.end(), std::mt19937(5));
  for (const Piece& piece : pieces) {
    EXPECT_FALSE(handoff.receiver->is_complete().value());
    ASSERT_TRUE(handoff.receive(PiecesMessage{7, 5, {piece}}).has_value());
  }
  EXPECT_TRUE(handoff.receiver->is_complete().value());
}

TEST(ReceiveSession, ADamagedByteIsNoticed) {
  Handoff handoff;
  const auto messages = whole(handoff);
  const Piece& piece = handoff.pieces[4];
  EXPECT_EQ(piece.layer_first, 1);
  handoff.arena.data[handoff.grant.offset_bytes + piece.offset_bytes + piece.bytes / 2] ^=
      std::byte{1};
  Status status;
  for (const auto& message : messages) {
    if (status) status = take(handoff, message);
  }
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(status.error().message.find("layer 1"), std::string::npos);
}

// Refused before a byte of it is read.
TEST(ReceiveSession, FramesOutsideTheGrantAreRefused) {
  Handoff handoff;
  const auto slot = static_cast<std::uint64_t>(handoff.plan.bytes);
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  constexpr std::int64_t kLong = std::numeric_limits<std::int64_t>::max();
  constexpr std::int32_t kInt = std::numeric_limits<std::int32_t>::max();
  for (const Piece& bad :
       {Piece{-1, 1, 0, 32, 0, 64, 0}, Piece{3, 1, 0, 32, 0, 64, 0}, Piece{0, 0, 0, 32, 0, 64, 0},
        Piece{0, 4, 0, 32, 0, 64, 0}, Piece{2, 2, 0, 32, 0, 64, 0}, Piece{0, -1, 0, 32, 0, 64, 0},
        Piece{kInt, kInt, 0, 32, 0, 64, 0}, Piece{0, 1, -1, 32, 0, 64, 0},
        Piece{0, 1, 5, 5, 0, 64, 0}, Piece{0, 1, 0, kTokens + 1, 0, 64, 0},
        Piece{0, 1, 40, 32, 0, 64, 0}, Piece{0, 1, 0, kLong, 0, 64, 0},
        Piece{0, 1, 0, 32, slot, 64, 0}, Piece{0, 1, 0, 32, slot - 63, 64, 0},
        Piece{0, 1, 0, 32, 0, slot + 1, 0}, Piece{0, 1, 0, 32, kMost, 64, 0},
        Piece{0, 1, 0, 32, 64, kMost, 0}, Piece{0, 1, 0, 32, kMost, kMost, 0},
        Piece{0, 1, 0, 32, 0, 0, 0}}) {
    const auto frames = handoff.receiver->take(PiecesMessage{7, 5, {bad}});
    ASSERT_FALSE(frames.has_value());
    EXPECT_EQ(frames.error().code, ErrorCode::kCorrupt);
  }
  // None of them took anything.
  EXPECT_TRUE(
      handoff.receiver->take(PiecesMessage{7, 5, {{0, 3, 0, kTokens, 0, slot, 0}}}).has_value());
}

TEST(ReceiveSession, FramesOverOthersAreRefused) {
  const auto second = [](const Piece& piece) {
    Handoff handoff;
    const PiecesMessage first{7, 5, {{0, 2, 10, 20, 100, 100, 0}}};
    EXPECT_TRUE(handoff.receiver->take(first).has_value());
    return handoff.receiver->take(PiecesMessage{7, 5, {piece}}).has_value();
  };
  EXPECT_TRUE(second({0, 2, 20, 30, 200, 100, 0}));
  EXPECT_TRUE(second({0, 2, 0, 10, 0, 100, 0}));
  EXPECT_TRUE(second({2, 1, 10, 20, 200, 100, 0}));
  EXPECT_FALSE(second({0, 2, 10, 20, 200, 100, 0}));  // the same tokens again
  EXPECT_FALSE(second({1, 2, 19, 30, 200, 100, 0}));
  EXPECT_FALSE(second({0, 1, 0, 11, 200, 100, 0}));
  EXPECT_FALSE(second({0, 1, 0, 30, 200, 100, 0}));
  EXPECT_FALSE(second({0, 2, 20, 30, 199, 100, 0}));  // the same bytes again
  EXPECT_FALSE(second({0, 2, 20, 30, 1, 100, 0}));
  EXPECT_FALSE(second({0, 2, 20, 30, 0, 300, 0}));
}

TEST(ReceiveSession, AFrameThatIsNotTheOneAnnouncedIsRefused) {
  for (int field = 0; field < 5; ++field) {
    Handoff handoff;
    (void)whole(handoff);
    Piece piece = handoff.pieces[4];
    if (field == 0) piece.layer_first = 0;
    if (field == 1) piece.layer_count = 2;
    if (field == 2) piece.first_token -= 1;
    if (field == 3) piece.last_token -= 1;
    if (field == 4) piece.checksum ^= 1;
    const Status taken = handoff.receive(PiecesMessage{7, 5, {piece}});
    ASSERT_FALSE(taken.has_value()) << field;
    EXPECT_NE(taken.error().message.find("not the one announced"), std::string::npos);
  }
}

TEST(ReceiveSession, NothingIsCompleteWhileFramesAreInWork) {
  Handoff handoff;
  for (const auto& message : whole(handoff)) ASSERT_TRUE(take(handoff, message).has_value());
  handoff.receiver->frames_in_work = 1;
  EXPECT_FALSE(handoff.receiver->is_complete().value());
  handoff.receiver->frames_in_work = 0;
  EXPECT_TRUE(handoff.receiver->is_complete().value());
}

// Nothing more will come, so nobody may wait for it.
TEST(ReceiveSession, AManifestOfFewerFramesThanThePromptIsRefused) {
  Handoff handoff;
  const auto messages = whole(handoff);
  ManifestMessage manifest = ManifestMessage::decode(messages.back().payload).value();
  manifest.frames = 2;
  ASSERT_TRUE(handoff.receiver->take(manifest).has_value());
  ASSERT_TRUE(handoff.receive(PiecesMessage{7, 5, {handoff.pieces[0]}}).has_value());
  const auto waits = handoff.receiver->is_complete();
  ASSERT_TRUE(waits.has_value());
  EXPECT_FALSE(*waits);
  ASSERT_TRUE(handoff.receive(PiecesMessage{7, 5, {handoff.pieces[1]}}).has_value());
  const auto complete = handoff.receiver->is_complete();
  ASSERT_FALSE(complete.has_value());
  EXPECT_EQ(complete.error().code, ErrorCode::kCorrupt);
}

TEST(ReceiveSession, AManifestThatDisagreesIsRefused) {
  Handoff handoff;
  const auto messages = whole(handoff);
  for (const auto& message : messages) {
    if (static_cast<MessageType>(message.type) == MessageType::kPieces) {
      ASSERT_TRUE(take(handoff, message).has_value());
    }
  }
  ManifestMessage manifest = ManifestMessage::decode(messages.back().payload).value();
  const auto is_refused = [&](auto change) {
    ManifestMessage changed = manifest;
    change(changed);
    const Status taken = handoff.receiver->take(changed);
    return !taken && taken.error().code == ErrorCode::kCorrupt;
  };
  EXPECT_TRUE(is_refused([](ManifestMessage& m) { m.prompt_tokens += 1; }));
  EXPECT_TRUE(is_refused([](ManifestMessage& m) { m.tokens_max += 1; }));
  EXPECT_TRUE(is_refused([](ManifestMessage& m) { m.tokens_max = -1; }));
  EXPECT_TRUE(is_refused([](ManifestMessage& m) { m.first_token = -1; }));
  EXPECT_TRUE(is_refused([](ManifestMessage& m) { m.first_token = 50; }));
  EXPECT_FALSE(is_refused([](ManifestMessage& m) { m.first_token = 49; }));
  manifest.checksum ^= 1;
  ASSERT_TRUE(handoff.receiver->take(manifest).has_value());
  const auto complete = handoff.receiver->is_complete();
  ASSERT_FALSE(complete.has_value());
  EXPECT_EQ(complete.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::runtime
