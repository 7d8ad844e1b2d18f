// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/svd/svd.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/transformed_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::forward;
using testing_support::inverse;
using testing_support::make_transform;
using testing_support::relative_energy;
using testing_support::TransformCase;
using testing_support::Transformed;
using testing_support::try_inverse;

// Rows of `rank` directions per head, and noise beside them.
std::vector<float> low_rank_values(const TransformCase& on, std::int64_t rank, float noise) {
  auto values = on.normal_values(1);
  const std::int64_t width = on.shape.head_dim;
  for (std::size_t start = 0; start < values.size(); start += static_cast<std::size_t>(width)) {
    std::vector<float> weights(values.begin() + static_cast<std::ptrdiff_t>(start),
                               values.begin() + static_cast<std::ptrdiff_t>(start) + rank);
    const auto head = static_cast<std::int64_t>(start) % on.plane.columns() / width;
    for (std::int64_t c = 0; c < width; ++c) {
      float& value = values[start + static_cast<std::size_t>(c)];
      value *= noise;
      for (std::int64_t k = 0; k < rank; ++k) {
        value += weights[static_cast<std::size_t>(k)] *
                 static_cast<float>(std::cos(0.7 * static_cast<double>((k + 1) * (c + head + 1))));
      }
    }
  }
  return values;
}

TEST(Svd, ARankThatSufficesLosesNothing) {
  TransformCase on(60, 3, 16);
  const auto values = low_rank_values(on, 4, 0.0F);
  const auto stage = make_transform(svd_row(), {{"rank", 4.0}});
  const auto coded = forward(*stage, on, values);
  EXPECT_EQ(coded.columns, 12);
  EXPECT_EQ(coded.side.size(), 3U * (2 + 4 * 16 * 2));
  // The vectors travel in BF16, 2^-9: each misses its true direction by that much.
  EXPECT_LT(relative_energy(values, inverse(*stage, on, coded)), 2e-5);
}

TEST(Svd, LosesWhatLiesOutsideTheStrongestDirections) {
  TransformCase on(400, 2, 16);
  const auto values = low_rank_values(on, 3, 0.1F);
  double before = 1;
  for (const double rank : {1.0, 3.0, 8.0, 15.0}) {
    const auto stage = make_transform(svd_row(), {{"rank", rank}});
    const double lost = relative_energy(values, inverse(*stage, on, forward(*stage, on, values)));
    EXPECT_LT(lost, before) << rank;
    before = lost;
    // 13 of 16 dimensions of noise at 0.01 of a direction's energy, against three directions.
    if (rank == 3.0) {
      EXPECT_NEAR(lost, 0.13 / (16.0 / 2 * 3), 0.003);
    }
  }
}

TEST(Svd, ALayerIsOneBlockIfAsked) {
  TransformCase on(50, 3, 16);
  on.plane.layer_count = 2;
  std::vector<float> values = on.normal_values(2);
  const auto columns = static_cast<std::size_t>(on.plane.columns());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i % columns >= 16) values[i] = values[i - 16];  // all heads alike: one head's rank
  }
  const auto stage = make_transform(svd_row(), {{"rank", 16.0}, {"scope", std::string("layer")}});
  const auto coded = forward(*stage, on, values);
  EXPECT_EQ(coded.columns, 32);
  EXPECT_LT(relative_energy(values, inverse(*stage, on, coded)), 2e-5);
}

TEST(Svd, ARankOfAllColumnsCopiesThem) {
  TransformCase on(40, 2, 6);
  const auto values = on.normal_values(3);
  const auto stage = make_transform(svd_row(), {{"rank", 64.0}});
  const auto coded = forward(*stage, on, values);
  EXPECT_EQ(coded.side.size(), 4U);
  EXPECT_EQ(coded.values, values);
  EXPECT_EQ(inverse(*stage, on, coded), values);
}

TEST(Svd, FewOrEqualRowsAreDefined) {
  const auto stage = make_transform(svd_row(), {{"rank", 8.0}});
  for (const std::int64_t rows : {0, 1, 3}) {
    TransformCase on(rows, 2, 80);
    const auto values = on.normal_values(4);
    const auto coded = forward(*stage, on, values);
    EXPECT_EQ(coded.columns, 2 * std::max<std::int64_t>(rows, 1));
    EXPECT_LT(relative_energy(values, inverse(*stage, on, coded)), 2e-5);
  }
  TransformCase on(9, 2, 16);
  for (const float constant : {0.0F, 3.0F, 1e-42F, 1e30F}) {
    const std::vector<float> values(9 * 32, constant);
    const auto back = inverse(*stage, on, forward(*stage, on, values));
    for (const float value : back) ASSERT_NEAR(value, constant, 0.005 * constant) << constant;
  }
}

TEST(Svd, ValuesHaveTheirOwnRank) {
  TransformCase on(20);
  const auto values = on.normal_values(5);
  const auto stage = make_transform(svd_row(), {{"rank", 2.0}, {"rank_value", 5.0}});
  EXPECT_EQ(forward(*stage, on, values).columns, 6);
  on.plane.half = KvHalf::kValue;
  EXPECT_EQ(forward(*stage, on, values).columns, 15);
}

TEST(Svd, ADecoderRefusesWrongBytes) {
  TransformCase on(20);
  const auto stage = make_transform(svd_row(), {{"rank", 4.0}});
  const auto coded = forward(*stage, on, on.normal_values(6));
  for (std::size_t bytes = 0; bytes < coded.side.size(); ++bytes) {
    Transformed cut = coded;
    cut.side.resize(bytes);
    ASSERT_FALSE(try_inverse(*stage, on, cut)) << bytes;
  }
  for (const int rank : {0, 17, 65535}) {
    Transformed wrong = coded;
    wrong.side[0] = static_cast<std::byte>(rank & 255);
    wrong.side[1] = static_cast<std::byte>(rank >> 8);
    const auto result = try_inverse(*stage, on, wrong);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kCorrupt);
  }
  Transformed infinite = coded;
  infinite.side[2] = std::byte{0x80};
  infinite.side[3] = std::byte{0x7f};
  EXPECT_FALSE(try_inverse(*stage, on, infinite));
}

}  // namespace
}  // namespace sluice::kernels
