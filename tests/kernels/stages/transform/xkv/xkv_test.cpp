// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/xkv/xkv.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/transformed_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::forward;
using testing_support::inverse;
using testing_support::make_transform;
using testing_support::relative_energy;
using testing_support::TransformCase;
using testing_support::try_inverse;

TEST(Xkv, LayersThatShareDirectionsShareABasis) {
  TransformCase on(70, 2, 16);
  on.plane.layer_count = 4;
  auto values = on.normal_values(1);
  // Every layer is the first one, its columns shifted: 32 directions for 128 columns.
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t column = i % 128;
    if (column >= 32) values[i] = values[i - column + (column * 5 + column / 32) % 32];
  }
  const auto stage = make_transform(xkv_row(), {{"rank_key", 32.0}});
  EXPECT_EQ(stage->layers_per_frame(), 4);
  const auto coded = forward(*stage, on, values);
  EXPECT_EQ(coded.columns, 32);
  EXPECT_EQ(coded.side.size(), 2U + 2 * 32 * 128);
  EXPECT_LT(relative_energy(values, inverse(*stage, on, coded)), 2e-5);
}

TEST(Xkv, RanksAreSharesOfWhatTheGroupHas) {
  const auto stage = make_transform(xkv_row(), {});
  TransformCase on(70, 2, 16);
  on.plane.layer_count = 4;
  EXPECT_EQ(forward(*stage, on, on.normal_values(2)).columns, 16);  // an eighth
  on.plane.half = KvHalf::kValue;
  EXPECT_EQ(forward(*stage, on, on.normal_values(2)).columns, 24);
  on.plane.layer_count = 1;  // the model's last layers may be fewer
  EXPECT_EQ(forward(*stage, on, on.normal_values(2)).columns, 6);
  EXPECT_EQ(make_transform(xkv_row(), {{"layers", 2.0}})->layers_per_frame(), 2);
}

TEST(Xkv, FewRowsAreDefinedAndCutBytesRefused) {
  const auto stage = make_transform(xkv_row(), {{"rank_key", 0.5}});
  for (const std::int64_t rows : {0, 1, 2}) {
    TransformCase on(rows, 3, 6);
    on.plane.layer_count = 4;
    const auto values = on.normal_values(3);
    auto coded = forward(*stage, on, values);
    EXPECT_LT(relative_energy(values, inverse(*stage, on, coded)), 2e-5);
    coded.side.pop_back();
    EXPECT_FALSE(try_inverse(*stage, on, coded));
  }
}

}  // namespace
}  // namespace sluice::kernels
