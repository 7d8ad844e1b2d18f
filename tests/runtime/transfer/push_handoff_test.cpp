// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/push_handoff.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/transfer/push_link.hpp"
#include "tests/runtime/transfer/push_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::kTarget;
using testing::manifest_of;
using testing::piece_of;
using testing::StepTransport;
using testing::want_of;

constexpr PushCut kCut{64 << 10, 4096, true};

struct HandoffTest : ::testing::Test {
  std::vector<std::byte> staging = std::vector<std::byte>(200'000);
  StepTransport transport;
  PushOperations operations;
  PushLink link{kTarget, transport, operations};
  PushHandoff handoff{want_of(7, 200'000, 100'000), staging, link};

  void grant(std::uint64_t bytes) {
    ASSERT_TRUE(handoff.grant({7, 11, 0, bytes}, bytes).has_value());
  }
};

TEST_F(HandoffTest, SmallFramesThatLieSideBySideMoveTogetherAndLeaveInOneWrite) {
  grant(200'000);
  testing::fill(staging, 1);
  const std::vector<std::byte> before = staging;
  for (const int i : {2, 0, 1}) {  // in any order
    const auto offset = static_cast<std::uint64_t>(i) * 2048;
    ASSERT_TRUE(handoff.add(piece_of(i, offset, 1000), 2048).has_value());
  }
  ASSERT_TRUE(handoff.add(piece_of(4, 4 * 2048, 1000), 2048).has_value());  // one is missing
  EXPECT_EQ(handoff.take_queueable(), 4000U);
  const PushWrite write = handoff.next(kCut, 1);
  EXPECT_EQ(write.source.size(), 2 * 1024 + 1000U);
  EXPECT_EQ(write.frame_bytes, 3000U);
  EXPECT_EQ(write.slot_offset, 0U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(std::memcmp(write.source.data() + i * 1024, before.data() + i * 2048, 1000), 0);
  }
  // The room of the one that is still being made is as it was.
  EXPECT_EQ(std::memcmp(staging.data() + 3 * 2048, before.data() + 3 * 2048, 2048 + 1000), 0);
  const PushWrite next = handoff.next(kCut, 1);
  EXPECT_EQ(next.source.size(), 1000U);
  EXPECT_EQ(next.slot_offset, 3 * 1024U);
  EXPECT_FALSE(handoff.can_write());
  std::vector<Piece> pieces;
  handoff.announce(1, pieces);
  ASSERT_EQ(pieces.size(), 4U);
  EXPECT_EQ(pieces[2].range.layer_first, 2);
  EXPECT_EQ(pieces[2].offset_bytes, 2048U);
}

TEST_F(HandoffTest, LargeFramesStayAndGoInChunks) {
  grant(200'000);
  ASSERT_TRUE(handoff.add(piece_of(0, 0, 100'000), 100'096).has_value());
  ASSERT_TRUE(handoff.add(piece_of(1, 100'096, 5'000)).has_value());
  const PushCut cut{32'768, 4096, true};
  std::uint64_t expected = 0;
  for (const std::size_t bytes : {32'768U, 32'768U, 34'464U}) {  // no small rest
    const PushWrite write = handoff.next(cut, 1);
    EXPECT_EQ(write.source.size(), bytes);
    EXPECT_EQ(write.source.data(), staging.data() + expected);
    EXPECT_EQ(write.slot_offset, expected);
    expected += bytes;
    EXPECT_EQ(handoff.wants_flush(0), expected == 100'000U);
  }
  EXPECT_EQ(handoff.next(cut, 1).slot_offset, 100'032U);
}

TEST_F(HandoffTest, DeviceMemoryIsNotMoved) {
  grant(200'000);
  ASSERT_TRUE(handoff.add(piece_of(0, 0, 1000), 2048).has_value());
  ASSERT_TRUE(handoff.add(piece_of(1, 2048, 1000), 1024).has_value());
  ASSERT_TRUE(handoff.add(piece_of(2, 3072, 1000)).has_value());
  const PushCut cut{64 << 10, 4096, false};
  EXPECT_EQ(handoff.next(cut, 1).source.size(), 1000U);
  EXPECT_EQ(handoff.next(cut, 1).source.size(), 2024U);  // no gap: nothing to move
}

TEST_F(HandoffTest, OnlySoManyGoTogetherAsThereIsRoomForAndAChunkHolds) {
  grant(100'000);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(handoff.add(piece_of(i, static_cast<std::uint64_t>(i) * 4000 / 64 * 64, 3000), 4000)
                    .has_value());
  }
  const PushCut cut{10'000, 4096, true};
  EXPECT_LE(handoff.next(cut, 1).source.size(), 10'000U);
  std::size_t bytes = 0;
  while (handoff.can_write()) bytes += handoff.next(kCut, 1).frame_bytes;
  EXPECT_LE(bytes, 100'000U);
  EXPECT_GT(bytes, 80'000U);
}

// Random sizes, rooms and order of making, small slots, pieces taken in any order: every frame's
// bytes are in the slot where it is announced, at the time it is.
TEST_F(HandoffTest, WhateverMovesTheBytesAreTheFrames) {
  std::mt19937 random(9);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const std::uint64_t slot_bytes = round % 3 == 0 ? 200'000 : 9'000 + random() % 20'000;
    PushHandoff one(want_of(7, 200'000, 8'192), staging, link);
    ASSERT_TRUE(one.grant({7, 11, 0, slot_bytes}, slot_bytes).has_value());
    struct Planned {
      std::uint64_t offset = 0, room = 0, bytes = 0;
      bool was_asked_again = false;
      std::vector<std::byte> content;
    };
    std::vector<Planned> frames;
    for (std::uint64_t offset = 0; offset < 190'000;) {
      const std::uint64_t room = 64 * (1 + random() % 128);
      frames.push_back({offset, room, 1 + random() % room, false, {}});
      offset += room;
    }
    std::vector<std::size_t> order(frames.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (std::size_t i = 0; i + 1 < order.size(); ++i) {  // nearly in order, as threads make them
      std::swap(order[i], order[std::min(i + random() % 4, order.size() - 1)]);
    }
    std::vector<std::byte> slot(slot_bytes);
    std::vector<std::uint64_t> held;
    std::size_t made = 0, seen = 0;
    std::uint64_t flushes = 0;
    while (seen < frames.size()) {
      for (unsigned i = random() % 6; i > 0 && made < order.size(); --i, ++made) {
        Planned& frame = frames[order[made]];
        const MutableBytes place(staging.data() + frame.offset, frame.bytes);
        testing::fill(place, random());
        frame.content.assign(place.begin(), place.end());
        ASSERT_TRUE(
            one.add(piece_of(static_cast<int>(order[made]), frame.offset, frame.bytes), frame.room)
                .has_value());
      }
      while (one.can_write()) {
        const PushWrite write = one.next({8'192, 2'048, true}, flushes + 1);
        ASSERT_LE(write.slot_offset + write.source.size(), slot_bytes);
        std::memcpy(slot.data() + write.slot_offset, write.source.data(), write.source.size());
      }
      std::vector<Piece> pieces;
      one.announce(++flushes, pieces);
      for (const Piece& piece : pieces) {
        Planned& frame = frames[static_cast<std::size_t>(piece.range.layer_first)];
        ASSERT_EQ(piece.bytes, frame.content.size());
        ASSERT_EQ(std::memcmp(slot.data() + piece.offset_bytes, frame.content.data(), piece.bytes),
                  0);
        held.push_back(piece.offset_bytes);
        ++seen;
        if (frame.was_asked_again || random() % 8 != 0) continue;
        frame.was_asked_again = true;
        // From where it is now, once more.
        std::memset(slot.data() + piece.offset_bytes, 0, piece.bytes);
        ASSERT_TRUE(one.again({7, 11, piece.offset_bytes}).has_value());
        --seen;
        held.pop_back();
      }
      while (!held.empty() && random() % 4 != 0) {
        std::swap(held[random() % held.size()], held.back());
        ASSERT_TRUE(one.taken({7, 11, {held.back()}, false}).has_value());
        held.pop_back();
      }
    }
    one.finish(manifest_of(7));
    EXPECT_EQ(one.manifest_to_send()->frames, frames.size());
    EXPECT_FALSE(one.manifest_to_send().has_value());
  }
}

TEST_F(HandoffTest, StoppedItWritesNothingMore) {
  grant(200'000);
  ASSERT_TRUE(handoff.add(piece_of(0, 0, 100'000), 100'096).has_value());
  ASSERT_TRUE(handoff.add(piece_of(1, 100'096, 5'000)).has_value());
  EXPECT_EQ(handoff.take_queueable(), 105'000U);
  (void)handoff.next(kCut, 3);
  EXPECT_EQ(handoff.stop(), 105'000U - kCut.chunk_bytes);
  EXPECT_FALSE(handoff.can_write());
  EXPECT_FALSE(handoff.has_landed(2));
  EXPECT_TRUE(handoff.has_landed(3));
}

}  // namespace
}  // namespace sluice::runtime
