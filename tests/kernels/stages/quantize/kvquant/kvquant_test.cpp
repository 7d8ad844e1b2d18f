// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvquant/kvquant.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::make_stage;
using testing_support::rms_error;
using testing_support::TestPlane;

// Channels of different widths, and one number in a hundred far out.
std::vector<float> cache(std::int64_t rows, std::int64_t columns) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0F, 1.0F);
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto column = static_cast<std::int64_t>(i) % columns;
    values[i] = normal(random) * (column % 7 == 0 ? 4.0F : 0.5F) + (column % 5 == 0 ? 3.0F : 0.0F);
    if (random() % 100 == 0) values[i] *= 10.0F;
  }
  return values;
}

class KvQuantHalves : public ::testing::TestWithParam<KvHalf> {};

TEST_P(KvQuantHalves, ErrorsFallWithBitsAndTilesDoNotMatter) {
  const TestPlane plane(100, 24, GetParam());
  const std::vector<float> values = cache(100, 24);
  double before = 1e9;
  for (const double bits : {1.0, 2.0, 3.0, 4.0}) {
    const auto stage = make_stage(kvquant_row(), {{"bits", bits}});
    const Coded coded = encode_plane(*stage, plane, values, 100);
    EXPECT_EQ(encode_plane(*stage, plane, values, 7).symbols, coded.symbols);
    const double error = rms_error(decode_plane(*stage, plane, coded), values);
    EXPECT_LT(error, 0.8 * before);
    before = error;
  }
}

// Squares of halves beyond 2^64 are infinite in FP32.
TEST_P(KvQuantHalves, HugeValuesHaveLevelsToo) {
  const TestPlane plane(100, 24, GetParam());
  const auto stage = make_stage(kvquant_row(), {});
  const auto error = [&](float factor) {
    std::vector<float> values = cache(100, 24);
    for (float& value : values) value *= factor;
    return rms_error(decode_plane(*stage, plane, encode_plane(*stage, plane, values, 100)), values);
  };
  EXPECT_NEAR(error(0x1p80F) / 0x1p80, error(1.0F), 0.01 * error(1.0F));
}

TEST_P(KvQuantHalves, OutliersPayForThemselves) {
  const TestPlane plane(200, 24, GetParam());
  const std::vector<float> values = cache(200, 24);
  const auto error = [&](double outliers) {
    const auto stage = make_stage(kvquant_row(), {{"outliers", outliers}});
    return rms_error(decode_plane(*stage, plane, encode_plane(*stage, plane, values, 200)), values);
  };
  EXPECT_LT(1.3 * error(0.05), error(0.0));
}

TEST_P(KvQuantHalves, KeepsSmallAndEqualPlanes) {
  for (const std::int64_t rows : {0, 1, 2}) {
    const TestPlane plane(rows, 5, GetParam());
    const std::vector<float> values(static_cast<std::size_t>(rows * 5), 2.5F);
    const auto stage = make_stage(kvquant_row(), {{"outliers", 0.5}});
    EXPECT_EQ(decode_plane(*stage, plane, encode_plane(*stage, plane, values, 8)), values);
  }
}

TEST_P(KvQuantHalves, RefusesWhatEndsTooEarlyOrPointsOutside) {
  const TestPlane plane(40, 6, GetParam());
  const auto stage = make_stage(kvquant_row(), {{"outliers", 0.2}});
  const Coded whole = encode_plane(*stage, plane, cache(40, 6), 40);
  for (std::size_t bytes = 0; bytes < whole.head.size(); ++bytes) {
    Coded cut = whole;
    cut.head.resize(bytes);
    const auto values = testing_support::try_decode_plane(*stage, plane, cut);
    ASSERT_FALSE(values);
    EXPECT_EQ(values.error().code, ErrorCode::kCorrupt);
  }
  Coded far = whole;
  far.head[5] = std::byte{100};  // the first outlier's index
  EXPECT_FALSE(testing_support::try_decode_plane(*stage, plane, far));
}

INSTANTIATE_TEST_SUITE_P(Halves, KvQuantHalves, ::testing::Values(KvHalf::kKey, KvHalf::kValue));

}  // namespace
}  // namespace sluice::kernels
