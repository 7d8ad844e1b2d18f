// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/waterfill/waterfill.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/stages/quantize/waterfill/deviation_class.hpp"
#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;
using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::make_stage;
using testing_support::rms_error;
using testing_support::TestPlane;

constexpr std::int64_t kColumns = 12;

// Components of falling variance, and a profile that knows them.
class Waterfill : public ::testing::Test {
 protected:
  Waterfill() {
    std::vector<float> variances;
    for (std::int64_t c = 0; c < kColumns; ++c) {
      variances.push_back(std::exp2(-static_cast<float>(c)) * 16.0F);
    }
    profile_.put("klt.p.variance.k.0", DType::kF32, {1, kColumns},
                 std::as_bytes(std::span(variances)));
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    ComponentSpread spread;
    for (std::int64_t i = 0; i < kRows * kColumns; ++i) {
      const float unit = normal(random);
      spread.add(unit);
      values_.push_back(unit * std::sqrt(variances[static_cast<std::size_t>(i % kColumns)]));
    }
    EXPECT_TRUE(spread.finish("p", 0.35F, profile_));
    plane_.set_profile(profile_, "p");
  }

  static constexpr std::int64_t kRows = 300;
  Profile profile_;
  std::vector<float> values_;
  TestPlane plane_{kRows, kColumns};
};

TEST_F(Waterfill, ErrsByAboutItsStepAndSpendsNothingBelowIt) {
  double before = 0.0;
  for (const double step : {0.125, 0.5, 2.0}) {
    const auto stage = make_stage(waterfill_row(), {{"step", step}});
    const Coded coded = encode_plane(*stage, plane_, values_, 64);
    const double error = rms_error(decode_plane(*stage, plane_, coded), values_);
    EXPECT_LT(error, 0.45 * step);
    EXPECT_GT(error, before);
    before = error;
  }
  const auto coarse = make_stage(waterfill_row(), {{"step", 2.0}});
  const Coded coded = encode_plane(*coarse, plane_, values_, kRows);
  for (std::int64_t row = 0; row < kRows; ++row) {
    EXPECT_EQ(coded.symbols[static_cast<std::size_t>(row * kColumns + kColumns - 1)], 7);
  }
  EXPECT_EQ(coded.shape.family, "waterfill.p.frequency");
}

TEST_F(Waterfill, LevelsScaleTheStep) {
  const auto graded =
      make_stage(waterfill_row(), {{"step", 0.25}, {"levels", std::vector<double>{1.0, 4.0}}});
  const auto plain = make_stage(waterfill_row(), {{"step", 1.0}});
  TestPlane second(kRows, kColumns, KvHalf::kKey, 2);
  second.set_profile(profile_, "p");
  EXPECT_EQ(encode_plane(*graded, second, values_, kRows).symbols,
            encode_plane(*plain, plane_, values_, kRows).symbols);
}

TEST_F(Waterfill, FarNumbersEscape) {
  const auto stage = make_stage(waterfill_row(), {{"step", 0.125}});
  values_[5] = 1000.0F;
  values_[6] = -3e38F;
  const Coded coded = encode_plane(*stage, plane_, values_, kRows);
  EXPECT_EQ(coded.symbols[5], WaterAlphabet::of(coded.shape.context[5]).escape);
  const auto decoded = decode_plane(*stage, plane_, coded);
  EXPECT_NEAR(decoded[5], 1000.0F, 0.13F);
  EXPECT_LT(decoded[6], -1e8F);
  Coded cut = coded;
  cut.side.resize(4);
  EXPECT_EQ(testing_support::try_decode_plane(*stage, plane_, cut).error().code,
            ErrorCode::kCorrupt);
}

TEST_F(Waterfill, NeedsItsProfile) {
  const auto stage = make_stage(waterfill_row(), {});
  const auto& quantize = dynamic_cast<const QuantizeStage&>(*stage);
  const TestPlane bare(4, kColumns);
  ByteWriter side;
  const auto plan = quantize.begin_encode(bare.plane(), kColumns, {}, side);
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("sluice codec calibrate"));
}

}  // namespace
}  // namespace sluice::kernels
