// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/messages.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

// Bytes to message to bytes is the identity, and no shorter or longer bytes are a message.
template <class Message>
void expect_exact(const Message& message) {
  const std::vector<std::byte> bytes = message.encode();
  const auto decoded = Message::decode(bytes);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_EQ(decoded->encode(), bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Message::decode(Bytes(bytes).first(size)).has_value()) << size;
  }
  auto longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(Message::decode(longer).has_value());
}

TEST(Messages, ComeBackAsTheyWereSent) {
  expect_exact(
      Hello{1, 2, 3, 4, 5, Role::kDecode, "boot", "why", {std::byte{7}}, {std::byte{8}}, 9});
  expect_exact(
      SubmitMessage{1, 2, 3, true, {0.5, 0.9, 40, 7}, "int4", 2, true, 5000, 0.25, 64, {1, 2, 3}});
  expect_exact(WantMessage{1, 2, 3, 4, 5, {6, 7, 8, 9}, 2, 32, {10, 11}});
  expect_exact(GrantMessage{1, 2, 3, 4});
  expect_exact(
      PiecesMessage{1, 2, {{{3, 1, 0, 2}, 4, 5, 6, 7, 8}, {{7, 2, 2, 2}, 8, 9, 10, 11, 12}}});
  expect_exact(TokenMessage{1, 2, 3, FinishReason::kLength, {}});
  expect_exact(FailedMessage{1, ErrorCode::kCorrupt, "why"});
  expect_exact(CancelMessage{1});
  expect_exact(LoadingMessage{0.5, true, "why"});
  expect_exact(GoodbyeMessage{1, 2});
  expect_exact(TakenMessage{1, 2, {3, 4}, true});
  expect_exact(AgainMessage{1, 2, 3});
  expect_exact(BeatMessage{1, true});
  expect_exact(LinksMessage{{{1, 0, 2.0, 3.0, 4.0, 5.0, 0.5, 6, 7, 8}}});
  expect_exact(JoinedMessage{1, {std::byte{2}}});
  expect_exact(PrefixesMessage{{1, 2}, {3}});
  expect_exact(StatusMessage{1, 0.5, 0.25, 2e-3, 3e-6, 1.5});
  expect_exact(DrainMessage{Role::kDecode});
  ManifestMessage manifest;
  manifest.request = 9;
  manifest.frames = 3;
  manifest.checksum = 4;
  manifest.timeline.pipeline = "q2c+int4";
  manifest.timeline.kept_share = 0.5;
  manifest.timeline.wire_us = 5;
  manifest.host = "boot";
  expect_exact(manifest);
}

TEST(Messages, KeepTheirFields) {
  const auto submit = SubmitMessage::decode(
      SubmitMessage{11, 2, 30, true, {0.5, 0.9, 40, 7}, "int4", 1, true, 5000, 0.25, 64, {1, 2}}
          .encode());
  ASSERT_TRUE(submit.has_value());
  EXPECT_EQ(submit->request, 11U);
  EXPECT_EQ(submit->decode_node, 2U);
  EXPECT_TRUE(submit->ignore_end);
  EXPECT_EQ(submit->sampling.top_k, 40);
  EXPECT_EQ(submit->pipeline, "int4");
  EXPECT_EQ(submit->question_tokens, 1);
  EXPECT_EQ(submit->prompt, (std::vector<TokenId>{1, 2}));
}

TEST(Messages, ImpossibleValuesAreRefused) {
  auto token = TokenMessage{1, 2, 3, FinishReason::kNone, {}}.encode();
  token[8 + 8 + 4] = std::byte{99};  // the finish reason, after request, index and token
  EXPECT_FALSE(TokenMessage::decode(token).has_value());
  auto loading = LoadingMessage{0.5, true, ""}.encode();
  loading[8] = std::byte{2};  // a boolean
  EXPECT_FALSE(LoadingMessage::decode(loading).has_value());
}

TEST(Messages, ALyingCountAllocatesNothing) {
  auto pieces = PiecesMessage{1, 2, {{3, 1, 4, 5, 6, 7, 8}}}.encode();
  for (std::size_t i = 16; i < 20; ++i) pieces[i] = std::byte{0xff};  // the count
  const auto decoded = PiecesMessage::decode(pieces);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::runtime
