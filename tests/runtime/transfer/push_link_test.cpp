// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/push_link.hpp"

#include <gtest/gtest.h>

#include "tests/runtime/transfer/push_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::kTarget;
using testing::piece_of;
using testing::StepTransport;
using testing::want_of;

constexpr std::size_t kHandoffBytes = std::size_t{12} << 20;

struct LinkTest : ::testing::Test {
  StepTransport transport;
  PushOperations operations;
  PushLink link{kTarget, transport, operations};
  std::vector<std::byte> staging = std::vector<std::byte>(2 * kHandoffBytes);
  PushHandoff first{want_of(1, kHandoffBytes), MutableBytes(staging).first(kHandoffBytes), link};
  PushHandoff second{want_of(2, kHandoffBytes), MutableBytes(staging).last(kHandoffBytes), link};

  LinkTest() {
    transport.arena.resize(2 * kHandoffBytes);
    link.set_arena({kTarget, 1, 2 * kHandoffBytes});
    std::uint64_t offset = 0;
    for (PushHandoff* handoff : {&first, &second}) {
      link.add(*handoff);
      EXPECT_TRUE(handoff->grant({handoff->request(), 1, offset, kHandoffBytes}, 2 * kHandoffBytes)
                      .has_value());
      offset += kHandoffBytes;
    }
  }
  void land() {
    const auto completion = transport.land();
    EXPECT_TRUE(
        link.complete(*operations.take(completion.operation), completion.status).has_value());
  }
};

TEST_F(LinkTest, HandoffsTakeTurnsByBytesWithinTheWindow) {
  const comm::Pace pace = comm::pace_for(link.meter().estimate(transport.now));
  for (PushHandoff* handoff : {&first, &second}) {
    ASSERT_TRUE(handoff->add(piece_of(0, 0, kHandoffBytes), kHandoffBytes).has_value());
    link.wake(*handoff);
  }
  EXPECT_EQ(link.meter().estimate(transport.now).queued_bytes, 2 * kHandoffBytes);
  std::size_t bytes_of_first = 0, bytes_of_second = 0;
  while (first.can_write() || second.can_write()) {
    ASSERT_TRUE(link.post(0, true).has_value());
    std::size_t under_way = 0;
    for (const auto& write : transport.writes) under_way += write.source.size();
    EXPECT_LT(under_way, pace.window_bytes + 2 * pace.chunk_bytes);
    ASSERT_FALSE(transport.writes.empty());
    const auto& write = transport.writes.front();
    (write.offset < kHandoffBytes ? bytes_of_first : bytes_of_second) += write.source.size();
    land();
    const std::size_t apart =
        std::max(bytes_of_first, bytes_of_second) - std::min(bytes_of_first, bytes_of_second);
    EXPECT_LE(apart, std::size_t{16} << 20);  // two of the largest chunks
  }
}

TEST_F(LinkTest, WhileAFlushIsUnderWayWritesGatherBehindTheNextOne) {
  ASSERT_TRUE(first.add(piece_of(0, 0, 1000), 0).has_value());
  link.wake(first);
  ASSERT_TRUE(link.post(0, true).has_value());
  EXPECT_EQ(transport.flushes.size(), 1U);
  for (int i = 1; i < 4; ++i) {
    ASSERT_TRUE(second.add(piece_of(i, static_cast<std::uint64_t>(i) * 1024, 1000), 0).has_value());
    link.wake(second);
    ASSERT_TRUE(link.post(0, true).has_value());
  }
  EXPECT_EQ(transport.flushes.size(), 1U);
  EXPECT_FALSE(link.take_news());
  const auto completion = transport.finish_flush();
  ASSERT_TRUE(link.complete(*operations.take(completion.operation), {}).has_value());
  EXPECT_TRUE(link.take_news());
  std::vector<Piece> pieces;
  first.announce(link.flushes_done(), pieces);
  EXPECT_EQ(pieces.size(), 1U);
  second.announce(link.flushes_done(), pieces);
  EXPECT_EQ(pieces.size(), 1U);  // not covered yet
  ASSERT_TRUE(link.post(0, true).has_value());
  EXPECT_EQ(transport.flushes.size(), 1U);
}

TEST_F(LinkTest, AFrameThatIsNotWhollyPostedWantsNoFlushUnlessItsHandoffStops) {
  ASSERT_TRUE(first.add(piece_of(0, 0, kHandoffBytes), 0).has_value());
  link.wake(first);
  ASSERT_TRUE(link.post(0, true).has_value());
  EXPECT_TRUE(transport.flushes.empty());
  link.fail(first, make_error(ErrorCode::kCancelled, "enough"), false);
  EXPECT_EQ(link.meter().estimate(transport.now).queued_bytes, [&] {
    std::size_t bytes = 0;
    for (const auto& write : transport.writes) bytes += write.source.size();
    return bytes;
  }());
  ASSERT_TRUE(link.post(0, true).has_value());
  EXPECT_EQ(transport.flushes.size(), 1U);
  const std::size_t posted = transport.writes_posted;
  while (!transport.writes.empty()) land();
  ASSERT_TRUE(link.post(0, true).has_value());
  EXPECT_EQ(transport.writes_posted, posted);  // though there is room on the link again
}

TEST_F(LinkTest, AFlushThatFailsIsALinkThatFails) {
  ASSERT_TRUE(first.add(piece_of(0, 0, 1000), 0).has_value());
  link.wake(first);
  ASSERT_TRUE(link.post(0, true).has_value());
  land();
  const auto completion = transport.finish_flush(make_error(ErrorCode::kUnavailable, "cable"));
  const auto operation = *operations.take(completion.operation);
  EXPECT_FALSE(link.complete(operation, completion.status).has_value());
  link.lose(true);
  EXPECT_FALSE(link.arena().has_value());
  EXPECT_TRUE(link.complete(operation, completion.status).has_value());  // of the one before
}

}  // namespace
}  // namespace sluice::runtime
