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

}  // namespace
}  // namespace sluice::kernels
