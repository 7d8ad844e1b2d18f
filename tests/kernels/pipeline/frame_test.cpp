// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/frame.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/pipeline/codec_round.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;
using tests::KvFixture;
using tests::KvFixtureSpec;

const PipelineSpec kRaw{"raw", "", {}};
const PipelineSpec kTurned{"turned", "", {{"unrope", {}}, {"rtn", {{"bits", 4.0}}}}};

class Frames : public ::testing::Test {
 protected:
  std::vector<std::byte> frame_of(const PipelineSpec& spec) {
    const auto pipeline = tests::must_create(spec, cache_.shape());
    return tests::encode_layers(*pipeline, cache_, 1).value();
  }
  Error refusal(const FrameDecoder& decoder, Bytes frame) {
    const auto info = tests::decode_layers(decoder, frame, target_);
    return info ? Error{ErrorCode::kInternal, "it was taken"} : info.error();
  }

  KvFixtureSpec spec_{.tokens = 50};
  KvFixture cache_{spec_};
  KvFixture target_{tests::empty_cache(spec_)};
};

TEST_F(Frames, InfoSaysWhatIsInside) {
  const auto frame = frame_of(kTurned);
  const auto info = read_frame_info(frame);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->version, kFrameVersionWhole);
  EXPECT_EQ(info->pipeline, "turned");
  EXPECT_EQ(info->model_fingerprint, cache_.shape().model_fingerprint);
  EXPECT_EQ(info->profile_hash, 0U);
  EXPECT_EQ(info->layer_first, 1);
  EXPECT_EQ(info->layer_count, 1);
  EXPECT_EQ(info->last_token, 50);
  EXPECT_FALSE(info->is_raw);
  ASSERT_EQ(info->stages.size(), 2U);
  EXPECT_EQ(info->stages[0].name, "unrope");
  EXPECT_EQ(info->kept, (std::vector<std::int32_t>{50, 50}));
  EXPECT_EQ(info->frame_bytes, frame.size());
  // More bytes than the frame's are not looked at.
  auto longer = frame;
  longer.resize(frame.size() + 100, std::byte{1});
  EXPECT_EQ(read_frame_info(longer)->frame_bytes, frame.size());
  EXPECT_TRUE(tests::decode_layers(FrameDecoder(cache_.shape(), nullptr), longer, target_));
}

TEST_F(Frames, ADecoderTellsOfFramesOfItsModelOnly) {
  const auto frame = frame_of(kTurned);
  const auto info = FrameDecoder(cache_.shape(), nullptr).info(frame);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->kept, (std::vector<std::int32_t>{50, 50}));
  CacheShape other = cache_.shape();
  other.kv_heads += 1;
  const auto foreign = FrameDecoder(other, nullptr).info(frame);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(Frames, EveryTruncationAndEveryFlippedBitIsRefused) {
  const FrameDecoder decoder(cache_.shape(), nullptr);
  for (const PipelineSpec& spec : {kRaw, kTurned}) {
    const auto frame = frame_of(spec);
    for (std::size_t size = 0; size < frame.size(); size += 1 + size / 64) {
      const Error error = refusal(decoder, Bytes(frame).first(size));
      EXPECT_EQ(error.code, ErrorCode::kCorrupt) << size << error.message;
    }
    for (std::size_t bit = 0; bit < frame.size() * 8; bit += 1 + bit / 300) {
      auto flipped = frame;
      flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      const auto info = tests::decode_layers(decoder, flipped, target_);
      ASSERT_FALSE(info) << bit;
      EXPECT_FALSE(info.error().message.empty());
    }
  }
}

TEST_F(Frames, AnotherModelIsTold) {
  const auto frame = frame_of(kTurned);
  CacheShape other = cache_.shape();
  other.model_fingerprint += 1;
  EXPECT_THAT(refusal(FrameDecoder(other, nullptr), frame).message, HasSubstr("another model"));
  other = cache_.shape();
  other.kv_heads = 3;
  EXPECT_THAT(refusal(FrameDecoder(other, nullptr), frame).message,
              HasSubstr("2 layers of 2 heads of 64"));
  other = cache_.shape();
  other.rope.radians_per_position[3] *= 2;
  EXPECT_THAT(refusal(FrameDecoder(other, nullptr), frame).message, HasSubstr("rotary angles"));
  // Nobody turned anything: the angles are not the frame's business.
  EXPECT_TRUE(tests::decode_layers(FrameDecoder(other, nullptr), frame_of(kRaw), target_));
}

TEST_F(Frames, PagesThatAreTooShortAreRefusedBeforeAnythingIsWritten) {
  const auto frame = frame_of(kRaw);
  const FrameDecoder decoder(cache_.shape(), nullptr);
  const auto pages = target_.pages();
  Scratch scratch;
  FrameDecoder::Target target;
  target.pages = std::span(pages).subspan(1, 1);
  target.row_first = 15;  // 4 blocks of 16 take 64 rows
  EXPECT_FALSE(decoder.decode(frame, target, scratch, nullptr));
  EXPECT_EQ(target_.rows(1, KvHalf::kKey), tests::empty_cache(spec_).rows(1, KvHalf::kKey));
  target.row_first = 14;
  EXPECT_TRUE(decoder.decode(frame, target, scratch, nullptr));
  target.row_first = -1;
  EXPECT_FALSE(decoder.decode(frame, target, scratch, nullptr));
  target.pages = pages;
  target.row_first = 0;
  EXPECT_FALSE(decoder.decode(frame, target, scratch, nullptr));
}

TEST_F(Frames, PositionsAreTheOriginalOnes) {
  const auto frame = frame_of(kRaw);
  std::vector<std::vector<std::int32_t>> kept;
  ASSERT_TRUE(tests::decode_layers(FrameDecoder(cache_.shape(), nullptr), frame, target_, &kept));
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[1], tests::all_positions(50));
}

TEST_F(Frames, AProfileThatIsNotTheFramesIsTold) {
  Profile learnt;
  const PipelineSpec spec{"klt", "", {{"klt", {}}, {"rtn", {}}}};
  const std::vector<CalibrationCache> caches{{cache_.pages(), 50, {}}};
  ASSERT_TRUE(calibrate(spec, cache_.shape(), caches, learnt));
  const auto profile = std::make_shared<const Profile>(learnt);
  const auto pipeline = tests::must_create(spec, cache_.shape(), profile);
  ASSERT_NE(pipeline, nullptr);
  const auto frame = tests::encode_layers(*pipeline, cache_, 1).value();
  EXPECT_EQ(read_frame_info(frame)->profile_hash, profile->hash());
  EXPECT_TRUE(tests::decode_layers(FrameDecoder(cache_.shape(), profile), frame, target_));
  const Error none = refusal(FrameDecoder(cache_.shape(), nullptr), frame);
  EXPECT_EQ(none.code, ErrorCode::kNotFound);
  EXPECT_THAT(none.message, HasSubstr("profile"));
  Profile other = learnt;
  other.put("extra", DType::kF32, {0}, {});
  const Error another =
      refusal(FrameDecoder(cache_.shape(), std::make_shared<const Profile>(other)), frame);
  EXPECT_THAT(another.message, HasSubstr("another profile"));
}

}  // namespace
}  // namespace sluice::kernels
