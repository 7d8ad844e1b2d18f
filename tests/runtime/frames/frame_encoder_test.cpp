// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/frame_encoder.hpp"

#include <algorithm>
#include <future>
#include <thread>

#include "kernels/pipeline/frame.hpp"
#include "runtime/frames/frame_room.hpp"
#include "tests/runtime/frames/frame_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::FrameFixture;
using testing::kTokens;

TEST(FrameEncoder, PartsLeaveAsSoonAsTheyAreThere) {
  FrameFixture fixture({});
  {
    CodecPool threads(2);
    const auto encoder = fixture.encoder(threads);
    encoder->layer_ready(0, 20);  // not yet a part
    encoder->layer_ready(0, 33);  // one, and a token of the next
    encoder->layer_ready(1, 70);  // all three
    ASSERT_TRUE(encoder->finish().has_value());
    EXPECT_EQ(fixture.made(), 4U);
    for (const std::int64_t layer : {0, 2, 3}) encoder->layer_ready(layer, kTokens);
    ASSERT_TRUE(encoder->finish().has_value());
    const EncodeTotals totals = encoder->totals();
    EXPECT_EQ(totals.elements, 4 * 2 * kTokens * 2 * 8);
    EXPECT_EQ(totals.elements_kept, totals.elements);
  }
  ASSERT_EQ(fixture.frames.size(), 12U);
  for (const MadeFrame& made : fixture.frames) {
    const auto info =
        kernels::read_frame_info(Bytes(fixture.memory).subspan(made.place.offset, made.bytes));
    ASSERT_TRUE(info.has_value()) << info.error().message;
    EXPECT_EQ(info->checksum, made.checksum);
    EXPECT_EQ(info->frame_bytes, made.bytes);
    EXPECT_EQ(info->layer_first, made.place.layer_first);
    EXPECT_EQ(info->last_token, made.place.last_token);
    EXPECT_LE(made.bytes, made.place.bytes_max);
  }
}

TEST(FrameEncoder, ASelectingPipelineWaitsForTheLayersScores) {
  FrameFixture fixture({{"q2c", {{"budget", 0.5}}}});
  CodecPool threads(1);
  const auto encoder = fixture.encoder(threads);
  for (std::int64_t layer = 0; layer < 4; ++layer) encoder->layer_ready(layer, kTokens);
  ASSERT_TRUE(encoder->finish().has_value());
  EXPECT_EQ(fixture.made(), 0U);
  encoder->layer_scored(2);
  ASSERT_TRUE(encoder->finish().has_value());
  ASSERT_EQ(fixture.made(), 1U);
  EXPECT_EQ(fixture.frames[0].place.layer_first, 2);
  EXPECT_LT(encoder->totals().elements_kept, encoder->totals().elements);
}

TEST(FrameEncoder, OneThatPlansLayersWaitsForAll) {
  FrameFixture fixture({{"squeeze", {}}, {"q2c", {{"budget", 0.5}}}});
  ASSERT_TRUE(fixture.pipeline->needs_all_layers());
  CodecPool threads(2);
  const auto encoder = fixture.encoder(threads);
  for (std::int64_t layer = 0; layer < 4; ++layer) {
    encoder->layer_ready(layer, kTokens);
    encoder->layer_scored(layer);
  }
  EXPECT_EQ(fixture.made(), 0U);
  const Status finished = encoder->finish();
  ASSERT_TRUE(finished.has_value()) << finished.error().message;
  EXPECT_EQ(fixture.made(), 4U);
}

TEST(FrameEncoder, TheNumberOfThreadsChangesNoByte) {
  std::vector<std::vector<std::byte>> memories;
  for (const int count : {1, 3}) {
    FrameFixture fixture({{"rtn", {{"bits", 4.0}}}});
    CodecPool threads(count);
    const auto encoder = fixture.encoder(threads);
    for (std::int64_t layer = 0; layer < 4; ++layer) encoder->layer_ready(layer, kTokens);
    ASSERT_TRUE(encoder->finish().has_value());
    memories.push_back(fixture.memory);
  }
  EXPECT_EQ(memories[0], memories[1]);
}

TEST(FrameEncoder, EachFrameMayBeMadeByAnotherPipelineAndSaysWhich) {
  FrameFixture fixture({{"rtn", {{"bits", 8.0}}}});
  const auto other =
      std::shared_ptr(kernels::Pipeline::create(
                          {.name = "coarse", .summary = "", .stages = {{"rtn", {{"bits", 2.0}}}}},
                          fixture.cache_shape, nullptr)
                          .value());
  fixture.plan = with_room_for(std::move(fixture.plan), *other);
  fixture.memory.resize(fixture.plan.bytes);
  std::vector<double> computed;
  fixture.choose = [&](const PlannedFrame& frame, double share) {
    computed.push_back(share);
    return frame.first_token == 32 ? other : fixture.pipeline;
  };
  CodecPool here(0);
  const auto encoder = fixture.encoder(here);
  for (std::int64_t layer = 0; layer < 4; ++layer) encoder->layer_ready(layer, 32);
  for (std::int64_t layer = 0; layer < 4; ++layer) encoder->layer_ready(layer, kTokens);
  ASSERT_TRUE(encoder->finish().has_value());
  ASSERT_EQ(fixture.frames.size(), 12U);
  for (const MadeFrame& made : fixture.frames) {
    const auto info =
        kernels::read_frame_info(Bytes(fixture.memory).subspan(made.place.offset, made.bytes))
            .value();
    EXPECT_EQ(info.pipeline, made.place.first_token == 32 ? "coarse" : "p");
    EXPECT_EQ(made.pipeline->name(), info.pipeline);
  }
  EXPECT_DOUBLE_EQ(computed.front(), 32.0 / (4.0 * kTokens));
  EXPECT_DOUBLE_EQ(computed.back(), 1.0);
}

TEST(FrameEncoder, OneFrameThatCannotBeMadeFailsTheRequest) {
  FrameFixture fixture({{"rtn", {{"bits", 4.0}}}});
  // A NaN in layer 1: no quantizer has a level for it.
  reinterpret_cast<std::uint16_t*>(fixture.pool->block(1, fixture.blocks[0]))[0] = 0x7fc0;
  CodecPool threads(1);
  const auto encoder = fixture.encoder(threads);
  for (std::int64_t layer = 0; layer < 4; ++layer) encoder->layer_ready(layer, kTokens);
  const Status finished = encoder->finish();
  ASSERT_FALSE(finished.has_value());
  EXPECT_EQ(finished.error().code, ErrorCode::kInvalidArgument);
}

TEST(FrameEncoder, ACancelIsHeardWhileTheLastFramesAreWaitedFor) {
  FrameFixture fixture({});
  CodecPool threads(1);
  std::promise<void> go;
  threads.submit([gone = go.get_future().share()](kernels::Scratch&) { gone.wait(); });
  const auto encoder = fixture.encoder(threads);
  for (std::int64_t layer = 0; layer < 4; ++layer) encoder->layer_ready(layer, kTokens);
  int asked = 0;
  const Status finished = encoder->finish([&] {
    if (++asked == 2) go.set_value();
    return asked == 2;
  });
  ASSERT_FALSE(finished.has_value());
  EXPECT_EQ(finished.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(asked, 2);
}

TEST(FrameEncoder, DroppedEarlyItLeavesOutWhatHasNotBegun) {
  FrameFixture fixture({});
  CodecPool threads(1);
  std::promise<void> go;
  auto gone = go.get_future().share();
  threads.submit([gone](kernels::Scratch&) { gone.wait(); });
  auto encoder = fixture.encoder(threads);
  for (std::int64_t layer = 0; layer < 4; ++layer) encoder->layer_ready(layer, kTokens);
  std::thread dropping([&] { encoder.reset(); });
  go.set_value();
  dropping.join();  // it waits for its tasks, so nothing touches the fixture afterwards
  EXPECT_LE(fixture.made(), 12U);
}

}  // namespace
}  // namespace sluice::runtime
