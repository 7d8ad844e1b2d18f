// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/pipeline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "kernels/stages/registry.hpp"
#include "tests/kernels/pipeline/codec_round.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;
using tests::KvFixture;
using tests::KvFixtureSpec;

const PipelineSpec kRaw{"raw", "", {}};

PipelineSpec rtn(double bits) { return {"rtn", "", {{"rtn", {{"bits", bits}}}}}; }

void expect_equal(const KvFixture& a, const KvFixture& b) {
  for (std::int64_t layer = 0; layer < a.spec().layers; ++layer) {
    for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
      EXPECT_EQ(a.rows(layer, half), b.rows(layer, half)) << layer;
    }
  }
}

TEST(Pipeline, RawIsExactForAnyShapeAndPageType) {
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    for (const std::int64_t dim : {64, 80, 96, 3}) {
      for (const std::int64_t tokens : {0, 1, 17, 100}) {
        KvFixtureSpec spec;
        spec.dtype = dtype;
        spec.head_dim = dim;
        spec.tokens = tokens;
        const KvFixture cache(spec);
        KvFixture target = tests::empty_cache(spec);
        const auto pipeline = tests::must_create(kRaw, cache.shape());
        const FrameDecoder decoder(cache.shape(), nullptr);
        for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
          const auto frame = tests::encode_layers(*pipeline, cache, layer);
          ASSERT_TRUE(frame) << frame.error().message;
          const auto info = tests::decode_layers(decoder, *frame, target);
          ASSERT_TRUE(info) << info.error().message;
          EXPECT_EQ(info->kept, std::vector<std::int32_t>(2, static_cast<std::int32_t>(tokens)));
          EXPECT_LE(frame->size() - static_cast<std::size_t>(tokens * dim * 2 * 4), 80U);
        }
        expect_equal(cache, target);
      }
    }
  }
}

TEST(Pipeline, RtnComesBackCloseAndSmall) {
  KvFixtureSpec spec;
  spec.tokens = 333;
  const KvFixture cache(spec);
  for (const auto& [bits, error, ratio] :
       {std::tuple{8.0, 0.01, 1.7}, std::tuple{4.0, 0.15, 3.0}}) {
    KvFixture target = tests::empty_cache(spec);
    const auto pipeline = tests::must_create(rtn(bits), cache.shape());
    const FrameDecoder decoder(cache.shape(), nullptr);
    for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
      EncodeReport report;
      const auto frame = tests::encode_layers(*pipeline, cache, layer, &report);
      ASSERT_TRUE(frame) << frame.error().message;
      EXPECT_FALSE(report.is_raw);
      EXPECT_GT(static_cast<double>(report.elements) * 2,
                ratio * static_cast<double>(frame->size()));
      const auto info = tests::decode_layers(decoder, *frame, target);
      ASSERT_TRUE(info) << info.error().message;
      for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
        const double rms = tests::relative_rms(cache.rows(layer, half), target.rows(layer, half));
        EXPECT_LT(rms, error) << bits;
        EXPECT_GT(rms, 0) << bits;
      }
    }
  }
}

TEST(Pipeline, ANanOrAnInfinityIsRefusedByNameAndKeptByExactRows) {
  const KvFixtureSpec spec{.tokens = 40};
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    KvFixture cache(spec);
    cache.set(1, KvHalf::kValue, 1, 33, 63, bad);
    const auto lossy = tests::must_create(rtn(4), cache.shape());
    EXPECT_TRUE(tests::encode_layers(*lossy, cache, 0));
    const auto refused = tests::encode_layers(*lossy, cache, 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message, HasSubstr("V holds"));
    EXPECT_THAT(refused.error().message, HasSubstr("layer 1 at token 33"));
    const auto exact = tests::must_create(kRaw, cache.shape());
    const auto frame = tests::encode_layers(*exact, cache, 1);
    ASSERT_TRUE(frame);
    KvFixture target = tests::empty_cache(spec);
    ASSERT_TRUE(tests::decode_layers(FrameDecoder(cache.shape(), nullptr), *frame, target));
    const float kept = target.get(1, KvHalf::kValue, 1, 33, 63);
    EXPECT_EQ(std::isnan(kept), std::isnan(bad));
    EXPECT_FALSE(std::isfinite(kept));
  }
}

TEST(Pipeline, WhatWouldBeLargerGoesAsItIs) {
  // Scales of every single number: 8 bits and 32 of scale and zero.
  const KvFixtureSpec spec{.tokens = 30};
  const KvFixture cache(spec);
  const PipelineSpec wasteful{"wasteful", "", {{"rtn", {{"bits", 8.0}, {"group", 1.0}}}}};
  const auto pipeline = tests::must_create(wasteful, cache.shape());
  EncodeReport report;
  const auto frame = tests::encode_layers(*pipeline, cache, 0, &report);
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_TRUE(report.is_raw);
  EXPECT_LE(frame->size(), pipeline->frame_bytes_max(30, 1));
  KvFixture target = tests::empty_cache(spec);
  const auto info = tests::decode_layers(FrameDecoder(cache.shape(), nullptr), *frame, target);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_TRUE(info->is_raw);
  EXPECT_EQ(cache.rows(0, KvHalf::kKey), target.rows(0, KvHalf::kKey));
}

TEST(Pipeline, ABufferThatIsTooSmallIsTold) {
  const KvFixture cache(KvFixtureSpec{.tokens = 30});
  for (const PipelineSpec& spec : {kRaw, rtn(4)}) {
    const auto pipeline = tests::must_create(spec, cache.shape());
    const auto whole = tests::encode_layers(*pipeline, cache, 0).value();
    const auto pages = cache.pages();
    EncodeTask task;
    task.pages = std::span(pages).first(1);
    task.last_token = 30;
    Scratch scratch;
    std::vector<std::byte> room(whole.size());
    const auto fits = pipeline->encode(task, room, scratch);
    ASSERT_TRUE(fits) << fits.error().message;
    EXPECT_EQ(room, whole);
    for (const std::size_t size : {std::size_t{0}, std::size_t{20}, whole.size() - 1}) {
      const auto refused = pipeline->encode(task, MutableBytes(room).first(size), scratch);
      ASSERT_FALSE(refused) << size;
      EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
    }
  }
}

TEST(Pipeline, TasksOfAnotherShapeAreRefused) {
  const KvFixture cache(KvFixtureSpec{.tokens = 30});
  const auto pipeline = tests::must_create(kRaw, cache.shape());
  const auto pages = cache.pages();
  std::vector<std::byte> room(pipeline->frame_bytes_max(64, 2));
  Scratch scratch;
  const auto refused = [&](auto change) {
    EncodeTask task;
    task.pages = std::span(pages).first(1);
    task.last_token = 30;
    change(task);
    const auto done = pipeline->encode(task, room, scratch);
    return !done && done.error().code == ErrorCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused([](EncodeTask&) {}));
  EXPECT_TRUE(refused([](EncodeTask& task) { task.last_token = 33; }));
  EXPECT_TRUE(refused([](EncodeTask& task) { task.first_token = 31; }));
  EXPECT_TRUE(refused([](EncodeTask& task) { task.layer_first = 2; }));
  EXPECT_TRUE(refused([&](EncodeTask& task) { task.pages = pages; }));
  const KvFixture other(KvFixtureSpec{.head_dim = 32, .tokens = 30});
  const auto other_pages = other.pages();
  EXPECT_TRUE(refused([&](EncodeTask& task) { task.pages = std::span(other_pages).first(1); }));
}

TEST(Pipeline, FramesOfAPromptsPartsFollowEachOther) {
  const KvFixtureSpec spec{.tokens = 77};
  const KvFixture cache(spec);
  const auto pages = cache.pages();
  for (const PipelineSpec& of : {kRaw, rtn(8)}) {
    const auto pipeline = tests::must_create(of, cache.shape());
    ASSERT_TRUE(pipeline->is_streaming());
    KvFixture whole = tests::empty_cache(spec);
    KvFixture parts = tests::empty_cache(spec);
    const FrameDecoder decoder(cache.shape(), nullptr);
    ASSERT_TRUE(
        tests::decode_layers(decoder, tests::encode_layers(*pipeline, cache, 0).value(), whole));
    Scratch scratch;
    for (const auto& [first, last] : {std::pair{0, 32}, std::pair{32, 33}, std::pair{33, 77}}) {
      EncodeTask task;
      task.pages = std::span(pages).first(1);
      task.first_token = first;
      task.last_token = last;
      std::vector<std::byte> frame(pipeline->frame_bytes_max(last - first, 1));
      ASSERT_TRUE(pipeline->encode(task, frame, scratch));
      const auto target_pages = parts.pages();
      FrameDecoder::Target target{std::span(target_pages).first(1), first};
      std::vector<std::vector<std::int32_t>> kept;
      const auto info = decoder.decode(frame, target, scratch, &kept);
      ASSERT_TRUE(info) << info.error().message;
      EXPECT_EQ(info->first_token, first);
      EXPECT_EQ(kept[0].front(), first);
      EXPECT_EQ(kept[0].back(), last - 1);
    }
    EXPECT_EQ(whole.rows(0, KvHalf::kKey), parts.rows(0, KvHalf::kKey));
    EXPECT_EQ(whole.rows(0, KvHalf::kValue), parts.rows(0, KvHalf::kValue));
  }
}

TEST(Pipeline, FramesDoNotDependOnThreadsNorOnUsedScratch) {
  const KvFixture cache(KvFixtureSpec{.layers = 4, .tokens = 90});
  for (const PipelineSpec& spec :
       {kRaw, rtn(4), PipelineSpec{"svd", "", {{"svd", {}}, {"rtn", {{"bits", 4.0}}}}}}) {
    const auto pipeline = tests::must_create(spec, cache.shape());
    ASSERT_NE(pipeline, nullptr);
    std::vector<std::vector<std::byte>> alone(4);
    std::vector<std::vector<std::byte>> together(4);
    Scratch used;
    for (std::size_t i = 0; i < 4; ++i) {
      alone[i] =
          tests::encode_layers(*pipeline, cache, static_cast<std::int64_t>(3 - i), nullptr, &used)
              .value();
    }
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        together[i] =
            tests::encode_layers(*pipeline, cache, static_cast<std::int64_t>(3 - i)).value();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(alone, together) << spec.name;
  }
}

TEST(Pipeline, SmallFramesHaveSmallOverhead) {
  const KvFixture cache(KvFixtureSpec{.tokens = 0});
  const PipelineSpec spec{"best", "", {{"unrope", {}}, {"rtn", {{"bits", 3.0}}}}};
  const auto pipeline = tests::must_create(spec, cache.shape());
  EXPECT_LT(tests::encode_layers(*pipeline, cache, 0)->size(), 120U);
}

TEST(Pipeline, CreateNamesThePipelineInItsErrors) {
  const KvFixture cache(KvFixtureSpec{.tokens = 0});
  const PipelineSpec wrong{"mine", "", {{"rtn", {}}, {"unrope", {}}}};
  const auto refused = Pipeline::create(wrong, cache.shape(), nullptr);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("pipeline 'mine'"));
  EXPECT_FALSE(Pipeline::create({"", "", {}}, cache.shape(), nullptr));
  EXPECT_FALSE(Pipeline::create({std::string(65, 'x'), "", {}}, cache.shape(), nullptr));
  EXPECT_FALSE(Pipeline::create(kRaw, CacheShape{}, nullptr));
}

// A stage that lives from the profile says so when the pipeline is made.
TEST(Pipeline, AMissingProfileIsToldAtOnce) {
  const KvFixture cache(KvFixtureSpec{.tokens = 20});
  const PipelineSpec spec{"klt", "", {{"klt", {}}, {"rtn", {}}}};
  const auto none = Pipeline::create(spec, cache.shape(), nullptr);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound) << none.error().message;
  Profile other;
  other.model_fingerprint = cache.shape().model_fingerprint + 1;
  const auto foreign =
      Pipeline::create(spec, cache.shape(), std::make_shared<const Profile>(other));
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().message, HasSubstr("another model"));
}

}  // namespace
}  // namespace sluice::kernels
