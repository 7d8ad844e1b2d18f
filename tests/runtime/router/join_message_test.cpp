// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/join_message.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

Hello some_hello() {
  Hello hello;
  hello.role = Role::kDecode;
  hello.host = "here";
  hello.address.assign(100, std::byte{7});
  return hello;
}

JoinAnswer some_answer() { return {5, 0, {Hello{}, some_hello()}}; }

TEST(JoinMessage, QuestionsAndAnswersComeThrough) {
  const auto question = encode_join_question({3, some_hello()});
  EXPECT_EQ(join_frame_bytes(Bytes(question).first(8)).value(), question.size() - 8);
  const auto asked = decode_join_question(Bytes(question).subspan(8)).value();
  EXPECT_EQ(asked.node, 3U);
  EXPECT_EQ(asked.hello.address, some_hello().address);
  const auto answer = encode_join_answer(some_answer());
  const auto told = decode_join_answer(Bytes(answer).subspan(8)).value();
  EXPECT_EQ(told.incarnation, 5U);
  ASSERT_EQ(told.hellos.size(), 2U);
  EXPECT_EQ(told.hellos[1].host, "here");
  const auto refusal = encode_join_answer(make_error(ErrorCode::kUnavailable, "it lives"));
  const auto refused = decode_join_answer(Bytes(refusal).subspan(8));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(refused.error().message, "it lives");
}

// Cut short anywhere, with a byte too many, and with each byte turned: refused or read, no more.
TEST(JoinMessage, HostileBytesAreRefused) {
  const auto question = encode_join_question({3, some_hello()});
  const auto answer = encode_join_answer(some_answer());
  const Bytes asked = Bytes(question).subspan(8);
  const Bytes told = Bytes(answer).subspan(8);
  for (std::size_t bytes = 0; bytes < asked.size(); ++bytes) {
    EXPECT_FALSE(decode_join_question(asked.first(bytes)).has_value()) << bytes;
  }
  for (std::size_t bytes = 0; bytes < told.size(); ++bytes) {
    EXPECT_FALSE(decode_join_answer(told.first(bytes)).has_value()) << bytes;
  }
  std::vector<std::byte> longer(asked.begin(), asked.end());
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_join_question(longer).has_value());
  for (std::size_t i = 0; i < told.size(); ++i) {
    std::vector<std::byte> turned(told.begin(), told.end());
    turned[i] ^= std::byte{0xff};
    (void)decode_join_answer(turned);
  }
  std::vector<std::byte> header(question.begin(), question.begin() + 8);
  header[7] = std::byte{0x7f};  // of 2 GB
  EXPECT_EQ(join_frame_bytes(header).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(join_frame_bytes(as_bytes("GET / HT")).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::runtime
