// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/send_session.hpp"

#include "tests/runtime/transfer/handoff_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::Handoff;
using testing::kTokens;

MessageType type_of(const comm::Completion& message) {
  return static_cast<MessageType>(message.type);
}

TEST(SendSession, WritesNothingBeforeTheGrant) {
  Handoff handoff;
  handoff.add_all_pieces();
  handoff.sender->finish(handoff.manifest());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(handoff.turn().empty());
  EXPECT_FALSE(handoff.sender->is_over());
  EXPECT_TRUE(handoff.sender->is_quiescent());
}

TEST(SendSession, EveryByteLandsBeforeTheManifestAndThatComesLast) {
  Handoff handoff;
  ASSERT_TRUE(handoff.sender->grant(handoff.grant, handoff.remote_arena).has_value());
  handoff.add_all_pieces();
  handoff.sender->finish(handoff.manifest());
  const auto messages = handoff.run();
  ASSERT_FALSE(messages.empty());
  EXPECT_EQ(type_of(messages.back()), MessageType::kManifest);
  std::uint64_t bytes = 0;
  for (const Piece& piece : handoff.pieces) {
    EXPECT_EQ(std::memcmp(handoff.arena.data + handoff.grant.offset_bytes + piece.offset_bytes,
                          handoff.staging.data + piece.offset_bytes, piece.bytes),
              0);
    bytes += piece.bytes;
  }
  const auto manifest = ManifestMessage::decode(messages.back().payload);
  ASSERT_TRUE(manifest.has_value());
  EXPECT_EQ(manifest->epoch, handoff.grant.epoch);
  EXPECT_EQ(manifest->timeline.kv_bytes_wire, bytes);
  EXPECT_EQ(manifest->frames, 9U);  // three layers, three parts of the prompt
}

TEST(SendSession, PiecesLeaveWhileOthersAreStillToCome) {
  Handoff handoff;
  ASSERT_TRUE(handoff.sender->grant(handoff.grant, handoff.remote_arena).has_value());
  handoff.sender->add_piece(handoff.pieces[0]);
  std::vector<comm::Completion> messages;
  for (int i = 0; i < 10 && messages.empty(); ++i) messages = handoff.turn();
  ASSERT_EQ(messages.size(), 1U);
  const auto pieces = PiecesMessage::decode(messages[0].payload);
  ASSERT_TRUE(pieces.has_value());
  ASSERT_EQ(pieces->pieces.size(), 1U);
  EXPECT_EQ(pieces->pieces[0].last_token, 32);
}

TEST(SendSession, AbortTellsThePeerOnceNothingCanLandAnyMore) {
  Handoff handoff;
  ASSERT_TRUE(handoff.sender->grant(handoff.grant, handoff.remote_arena).has_value());
  handoff.add_all_pieces();
  ASSERT_TRUE(handoff.sender->advance(*handoff.source, handoff.next_operation).has_value());
  EXPECT_FALSE(handoff.sender->is_quiescent());
  handoff.sender->abort({7, ErrorCode::kCancelled, "enough"});
  const auto messages = handoff.run();
  EXPECT_TRUE(handoff.sender->is_quiescent());
  ASSERT_FALSE(messages.empty());
  EXPECT_EQ(type_of(messages.back()), MessageType::kFailed);
  for (const auto& message : messages) EXPECT_NE(type_of(message), MessageType::kManifest);
}

TEST(SendSession, AGrantThatIsTooSmallOrOutsideIsRefused) {
  Handoff handoff;
  GrantMessage small = handoff.grant;
  small.bytes -= 1;
  EXPECT_FALSE(handoff.sender->grant(small, handoff.remote_arena).has_value());
  GrantMessage outside = handoff.grant;
  outside.offset_bytes = handoff.remote_arena.bytes;
  EXPECT_FALSE(handoff.sender->grant(outside, handoff.remote_arena).has_value());
  outside.offset_bytes = ~std::uint64_t{0};
  EXPECT_FALSE(handoff.sender->grant(outside, handoff.remote_arena).has_value());
}

TEST(SendSession, AFailedWriteFailsTheHandoff) {
  Handoff handoff;
  ASSERT_TRUE(handoff.sender->grant(handoff.grant, handoff.remote_arena).has_value());
  handoff.add_all_pieces();
  ASSERT_TRUE(handoff.sender->advance(*handoff.source, handoff.next_operation).has_value());
  EXPECT_TRUE(handoff.sender->complete(1, make_error(ErrorCode::kUnavailable, "cable")));
  ASSERT_TRUE(handoff.sender->failure().has_value());
  EXPECT_NE(handoff.sender->failure()->message.find("cable"), std::string::npos);
  EXPECT_FALSE(handoff.sender->complete(1, {}));  // no longer one of its operations
}

}  // namespace
}  // namespace sluice::runtime
