// SPDX-License-Identifier: Apache-2.0
// Every stage of the registry in a pipeline of its own, there and back.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/pipeline/frame_format.hpp"
#include "tests/kernels/pipeline/codec_round.hpp"
#include "tests/support/stage_pipelines.hpp"

namespace sluice::kernels {
namespace {

using tests::KvFixture;
using tests::KvFixtureSpec;

class EveryStage : public ::testing::TestWithParam<PipelineSpec> {
 protected:
  // Null, and a failed test, if it cannot be made.
  void make(const KvFixtureSpec& spec) {
    cache_ = std::make_unique<KvFixture>(spec);
    target_ = std::make_unique<KvFixture>(tests::empty_cache(spec));
    KvFixtureSpec calibration = spec;
    calibration.tokens = 96;
    calibration.text = 9;
    const auto profile = tests::calibrated(GetParam(), KvFixture(calibration));
    ASSERT_TRUE(profile) << profile.error().message;
    pipeline_ = tests::must_create(GetParam(), cache_->shape(), *profile);
    ASSERT_NE(pipeline_, nullptr);
    decoder_ = std::make_unique<FrameDecoder>(cache_->shape(), *profile);
  }

  // Row `kept[i]` of the source against row i of the target, for each head.
  double error_of(std::int64_t layer, KvHalf half,
                  const std::vector<std::vector<std::int32_t>>& kept, std::int64_t layer_first) {
    std::vector<float> expected;
    std::vector<float> actual;
    const std::int64_t heads = cache_->shape().kv_heads;
    for (std::int64_t head = 0; head < heads; ++head) {
      const auto& list = kept[static_cast<std::size_t>((layer - layer_first) * heads + head)];
      for (std::size_t i = 0; i < list.size(); ++i) {
        for (std::int64_t c = 0; c < cache_->shape().head_dim; ++c) {
          expected.push_back(cache_->get(layer, half, head, list[i], c));
          actual.push_back(target_->get(layer, half, head, static_cast<std::int64_t>(i), c));
          EXPECT_TRUE(std::isfinite(actual.back()));
        }
      }
    }
    return tests::relative_rms(expected, actual);
  }

  std::unique_ptr<KvFixture> cache_;
  std::unique_ptr<KvFixture> target_;
  std::unique_ptr<const Pipeline> pipeline_;
  std::unique_ptr<FrameDecoder> decoder_;
};

TEST_P(EveryStage, ComesBackNearlyForAnyNumberOfTokens) {
  for (const std::int64_t tokens : {0, 1, 31, 90}) {
    SCOPED_TRACE(tokens);
    KvFixtureSpec spec;
    spec.layers = 5;  // a group of four and one left over
    spec.tokens = tokens;
    spec.head_dim = tokens == 31 ? 24 : 32;
    make(spec);
    if (HasFatalFailure()) return;
    for (std::int64_t layer = 0; layer < spec.layers; layer += pipeline_->layers_per_frame()) {
      EncodeReport report;
      const auto frame = tests::encode_layers(*pipeline_, *cache_, layer, &report);
      ASSERT_TRUE(frame) << frame.error().message;
      std::vector<std::vector<std::int32_t>> kept;
      const auto info = tests::decode_layers(*decoder_, *frame, *target_, &kept);
      ASSERT_TRUE(info) << info.error().message;
      EXPECT_EQ(info->pipeline, GetParam().name);
      EXPECT_EQ(info->is_raw, report.is_raw);
      for (std::int64_t l = layer; l < layer + info->layer_count; ++l) {
        for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
          EXPECT_LT(error_of(l, half, kept, layer), 0.8) << l;
        }
      }
    }
  }
}

// A newer byte anywhere, with a checksum that fits, is refused or decoded: nothing else.
TEST_P(EveryStage, ForgedFramesDoNoHarm) {
  KvFixtureSpec spec;
  spec.head_dim = 16;
  spec.tokens = 40;
  make(spec);
  if (HasFatalFailure()) return;
  const auto frame = tests::encode_layers(*pipeline_, *cache_, 0).value();
  for (std::size_t bit = 0; bit < frame.size() * 8; bit += 1 + bit / 400) {
    auto forged = frame;
    forged[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const std::uint64_t checksum = frame_checksum(forged);
    std::memcpy(forged.data() + forged.size() - kChecksumBytes, &checksum, kChecksumBytes);
    const auto info = tests::decode_layers(*decoder_, forged, *target_);
    if (!info) {
      EXPECT_FALSE(info.error().message.empty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryStage, ::testing::ValuesIn(tests::stage_pipelines()),
                         [](const auto& spec) { return spec.param.name; });

}  // namespace
}  // namespace sluice::kernels
