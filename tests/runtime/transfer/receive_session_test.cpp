// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/receive_session.hpp"

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
    return handoff.receiver->take(PiecesMessage::decode(message.payload).value(), *handoff.pool);
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
  std::vector<std::byte> rows(static_cast<std::size_t>(kTokens) * handoff.layout.row_bytes);
  for (std::int64_t layer = 0; layer < handoff.shape.layers; ++layer) {
    const PagesOfLayer pages(*handoff.pool, handoff.receiver->blocks(), layer);
    kernels::pack_kv_rows(pages.view(), 0, kTokens, rows.data());
    EXPECT_EQ(std::memcmp(rows.data(), handoff.staging.data + handoff.layout.offset_bytes(layer, 0),
                          rows.size()),
              0)
        << layer;
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
    ASSERT_TRUE(handoff.receiver->take(PiecesMessage{7, 5, {piece}}, *handoff.pool).has_value());
  }
  EXPECT_TRUE(handoff.receiver->is_complete().value());
}

TEST(ReceiveSession, ADamagedByteIsNoticed) {
  Handoff handoff;
  const auto messages = whole(handoff);
  handoff.arena.data[handoff.grant.offset_bytes + handoff.layout.offset_bytes(1, 3)] ^=
      std::byte{1};
  Status status;
  for (const auto& message : messages) {
    if (status) status = take(handoff, message);
  }
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(status.error().message.find("layer 1"), std::string::npos);
}

TEST(ReceiveSession, PiecesOutsideTheGrantAreRefused) {
  Handoff handoff;
  const Piece good = handoff.piece(0, 0, 32);
  for (const Piece& bad :
       {Piece{-1, 0, 0, 32, 0}, Piece{3, 0, 0, 32, 0}, Piece{0, 0, -1, 32, 0}, Piece{0, 0, 5, 5, 0},
        Piece{0, 0, 0, kTokens + 1, 0}, Piece{0, 0, 40, 32, 0}}) {
    EXPECT_FALSE(handoff.receiver->take(PiecesMessage{7, 5, {bad}}, *handoff.pool).has_value());
  }
  EXPECT_EQ(good.last_token, 32);
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
  ManifestMessage longer = manifest;
  longer.prompt_tokens += 1;
  EXPECT_FALSE(handoff.receiver->take(longer).has_value());
  manifest.layer_checksums[2] ^= 1;
  ASSERT_TRUE(handoff.receiver->take(manifest).has_value());
  const auto complete = handoff.receiver->is_complete();
  ASSERT_FALSE(complete.has_value());
  EXPECT_EQ(complete.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::runtime
