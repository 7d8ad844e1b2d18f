// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/frame_unpacker.hpp"

#include <future>

#include "tests/runtime/decode/decode_fixture.hpp"

namespace sluice::runtime {
namespace {

struct Unpacking {
  testing::FramedCache cache;
  testing::FramedCache::Frames frames = cache.frames({0, 4, 0, 2});
  kernels::FrameDecoder decoder{cache.cache_shape, nullptr};
  std::unique_ptr<KvPool> pool = KvPool::create(cache.shape, 4).value();
  UnpackTarget target;

  Unpacking() { target.blocks = pool->acquire(4).value(); }
  LandedFrame landed(std::size_t index) const {
    const Piece& piece = frames.pieces[index];
    return {1,
            1,
            1,
            piece,
            Bytes(frames.memory).subspan(piece.offset_bytes, piece.bytes),
            comm::MemoryKind::kHost};
  }
};

TEST(FrameUnpacker, ASmallFrameIsTakenApartAtOnce) {
  Unpacking unpacking;
  FrameUnpacker unpacker(unpacking.decoder, *unpacking.pool, 1, [] {});
  const auto done = unpacker.unpack(unpacking.landed(0), unpacking.target);
  ASSERT_TRUE(done.has_value());
  EXPECT_TRUE(done->info.has_value());
  EXPECT_EQ(done->frame.piece.offset_bytes, unpacking.frames.pieces[0].offset_bytes);
  EXPECT_TRUE(unpacker.drain().empty());
}

TEST(FrameUnpacker, ManyInOneTurnGoToTheThreads) {
  Unpacking unpacking;
  std::promise<void> first;
  std::atomic<int> woken = 0;
  FrameUnpacker unpacker(unpacking.decoder, *unpacking.pool, 1, [&] {
    if (++woken == 1) first.set_value();
  });
  int at_once = 0;
  // 32 tokens of 2 heads of 8, K and V in BF16, are 2 KiB: 512 of them are 1 MiB.
  for (int i = 0; i < 600; ++i) {
    at_once += unpacker.unpack(unpacking.landed(0), unpacking.target).has_value() ? 1 : 0;
  }
  ASSERT_EQ(at_once, 512);
  first.get_future().wait();
  EXPECT_GE(unpacker.drain().size(), 1U);
  // A new turn.
  EXPECT_TRUE(unpacker.unpack(unpacking.landed(0), unpacking.target).has_value());
}

TEST(FrameUnpacker, WithoutThreadsAllIsDoneAtOnce) {
  Unpacking unpacking;
  FrameUnpacker unpacker(unpacking.decoder, *unpacking.pool, 0, [] {});
  for (int i = 0; i < 1100; ++i) {
    ASSERT_TRUE(unpacker.unpack(unpacking.landed(0), unpacking.target).has_value());
  }
}

TEST(FrameUnpacker, WhatNobodyWantsIsLeftAlone) {
  Unpacking unpacking;
  unpacking.target.is_unwanted = true;
  FrameUnpacker unpacker(unpacking.decoder, *unpacking.pool, 0, [] {});
  const auto done = unpacker.unpack(unpacking.landed(0), unpacking.target);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->info.error().code, ErrorCode::kCancelled);
}

TEST(FrameUnpacker, AFrameThatIsNotTheOneAnnouncedIsCorrupt) {
  for (int field = 0; field < 6; ++field) {
    Unpacking unpacking;
    FrameUnpacker unpacker(unpacking.decoder, *unpacking.pool, 0, [] {});
    LandedFrame frame = unpacking.landed(4);
    Piece& piece = frame.piece;
    if (field == 0) piece.range.layer_first = 0;
    if (field == 1) piece.range.layer_count = 2;
    if (field == 2) piece.first_token += 1;
    if (field == 3) piece.last_token -= 1;
    if (field == 4) piece.checksum ^= 1;
    if (field == 5) piece.range.head_count = 1;
    const auto done = unpacker.unpack(frame, unpacking.target);
    ASSERT_TRUE(done.has_value());
    ASSERT_FALSE(done->info.has_value()) << field;
    EXPECT_EQ(done->info.error().code, ErrorCode::kCorrupt) << field;
  }
}

}  // namespace
}  // namespace sluice::runtime
