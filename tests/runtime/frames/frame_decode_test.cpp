// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/frame_decode.hpp"

#include <algorithm>

#include "kernels/elementwise/kv_rows.hpp"
#include "runtime/frames/kv_pages.hpp"
#include "tests/runtime/frames/frame_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::FrameFixture;
using testing::kTokens;

std::vector<std::byte> rows_of(FrameFixture& fixture, const std::vector<KvBlockId>& blocks) {
  std::vector<std::byte> all;
  for (std::int64_t layer = 0; layer < fixture.shape.layers; ++layer) {
    const PagesOfLayer pages(*fixture.pool, blocks, layer);
    std::vector<std::byte> rows(static_cast<std::size_t>(kTokens) * pages.view().row_bytes());
    kernels::pack_kv_rows(pages.view(), 0, kTokens, rows.data());
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

void make_all(FrameFixture& fixture) {
  CodecPool threads(2);
  const auto encoder = fixture.encoder(threads);
  for (std::int64_t layer = 0; layer < 4; ++layer) encoder->layer_ready(layer, kTokens);
  ASSERT_TRUE(encoder->finish().has_value());
}

TEST(DecodeFrame, RawFramesGiveTheCacheBackInAnyOrder) {
  FrameFixture fixture({});
  make_all(fixture);
  const kernels::FrameDecoder decoder(fixture.cache_shape, nullptr);
  kernels::Scratch scratch;
  const auto target = fixture.pool->acquire(kv_blocks_for(kTokens)).value();
  for (auto made = fixture.frames.rbegin(); made != fixture.frames.rend(); ++made) {
    const auto info =
        decode_frame(decoder, Bytes(fixture.memory).subspan(made->place.offset, made->bytes), *made,
                     *fixture.pool, target, scratch);
    ASSERT_TRUE(info.has_value()) << info.error().message;
  }
  EXPECT_EQ(rows_of(fixture, target), rows_of(fixture, fixture.blocks));
}

TEST(DecodeFrame, DamageAndLiesNameTheLayerAndLeaveOtherFramesAlone) {
  FrameFixture fixture({});
  make_all(fixture);
  const kernels::FrameDecoder decoder(fixture.cache_shape, nullptr);
  kernels::Scratch scratch;
  const auto found =
      std::find_if(fixture.frames.begin(), fixture.frames.end(),
                   [](const MadeFrame& made) { return made.place.layer_first == 2; });
  const auto error_of = [&](const MadeFrame& made) {
    const auto info =
        decode_frame(decoder, Bytes(fixture.memory).subspan(made.place.offset, found->bytes), made,
                     *fixture.pool, fixture.blocks, scratch);
    EXPECT_FALSE(info.has_value());
    return info ? Error{} : info.error();
  };
  MadeFrame lie = *found;
  lie.place.last_token -= 1;
  EXPECT_NE(error_of(lie).message.find("layer 2 cannot be used: the frame is not the one"),
            std::string::npos);
  lie = *found;
  lie.bytes -= 1;
  EXPECT_EQ(error_of(lie).code, ErrorCode::kCorrupt);
  fixture.memory[found->place.offset + found->bytes / 2] ^= std::byte{4};
  const Error damaged = error_of(*found);
  EXPECT_EQ(damaged.code, ErrorCode::kCorrupt);
  EXPECT_NE(damaged.message.find("layer 2"), std::string::npos) << damaged.message;
}

// Also where it makes another model's frame of it, or one with stages unknown here.
TEST(DecodeFrame, DamageOfAnyByteOfTheHeadIsDamage) {
  FrameFixture fixture({{"rtn", {{"bits", 4.0}}}});
  make_all(fixture);
  const kernels::FrameDecoder decoder(fixture.cache_shape, nullptr);
  kernels::Scratch scratch;
  const MadeFrame& made = fixture.frames.front();
  const MutableBytes frame = MutableBytes(fixture.memory).subspan(made.place.offset, made.bytes);
  for (std::size_t i = 0; i < 200; ++i) {
    frame[i] ^= std::byte{0x41};
    const auto info = decode_frame(decoder, frame, made, *fixture.pool, fixture.blocks, scratch);
    ASSERT_FALSE(info.has_value()) << "byte " << i;
    EXPECT_EQ(info.error().code, ErrorCode::kCorrupt) << "byte " << i << info.error().message;
    frame[i] ^= std::byte{0x41};
  }
  // What is whole and another model's is no damage.
  kernels::CacheShape other = fixture.cache_shape;
  other.model_fingerprint = 1;
  const auto info = decode_frame(kernels::FrameDecoder(other, nullptr), frame, made, *fixture.pool,
                                 fixture.blocks, scratch);
  EXPECT_EQ(info.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::runtime
