// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/palu/palu.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/transformed_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::forward;
using testing_support::inverse;
using testing_support::make_transform;
using testing_support::relative_energy;
using testing_support::TransformCase;

// Heads in which only `live` columns carry anything (by half), mixed within the head.
std::vector<float> few_columns(const TransformCase& on, std::int64_t live, unsigned seed) {
  auto values = on.normal_values(seed);
  const std::int64_t width = on.shape.head_dim;
  for (std::size_t start = 0; start < values.size(); start += static_cast<std::size_t>(width)) {
    for (std::int64_t c = live; c < width; ++c) {
      values[start + static_cast<std::size_t>(c)] =
          values[start + static_cast<std::size_t>(c % live)];
    }
  }
  return values;
}

// K and V of two layers into a profile.
Profile calibrated(const Stage& stage, TransformCase& on, std::int64_t live_key,
                   std::int64_t live_value) {
  Profile profile;
  const auto calibration = stage.calibration();
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
      on.plane.layer_first = layer;
      on.plane.half = half;
      const auto values = few_columns(on, half == KvHalf::kKey ? live_key : live_value,
                                      static_cast<unsigned>(layer) + 1);
      EXPECT_TRUE(calibration->observe(on.plane, on.view(values)));
    }
  }
  EXPECT_TRUE(calibration->finish(profile));
  on.plane.layer_first = 0;
  on.plane.half = KvHalf::kKey;
  return profile;
}

TEST(Palu, KeepsWhatCalibrationFoundAndGivesRanksWhereTheEnergyIs) {
  TransformCase on(200, 6, 8);  // a group of four heads and one of two
  on.plane.tables = "test";
  const auto stage = make_transform(palu_row(), {{"share", 0.4}});
  // K has 2 live columns a head, V 4: of 96 columns per layer 12 and 24 carry everything.
  const Profile profile = calibrated(*stage, on, 2, 4);
  on.plane.profile = &profile;
  const auto keys = few_columns(on, 2, 9);
  const auto coded = forward(*stage, on, keys);
  EXPECT_TRUE(coded.side.empty());
  EXPECT_LT(relative_energy(keys, inverse(*stage, on, coded)), 1e-9);
  on.plane.half = KvHalf::kValue;
  const auto values = few_columns(on, 4, 10);
  const auto coded_values = forward(*stage, on, values);
  EXPECT_GE(coded.columns, 12);
  EXPECT_GE(coded_values.columns, 24);
  EXPECT_LE(coded.columns + coded_values.columns, 40);
  EXPECT_LT(relative_energy(values, inverse(*stage, on, coded_values)), 1e-9);
}

TEST(Palu, RanksFillTheShareAndNoMore) {
  TransformCase on(200, 4, 8);
  on.plane.tables = "test";
  const auto stage = make_transform(palu_row(), {{"share", 0.5}, {"heads", 2.0}});
  const Profile profile = calibrated(*stage, on, 8, 8);
  on.plane.profile = &profile;
  std::int64_t columns = 0;
  for (on.plane.layer_first = 0; on.plane.layer_first < 2; ++on.plane.layer_first) {
    for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
      on.plane.half = half;
      columns += forward(*stage, on, on.normal_values(3)).columns;
    }
  }
  EXPECT_EQ(columns, 4 * 32 / 2);
}

TEST(Palu, WholeGroupsOfHeadsMayTravelAlone) {
  TransformCase on(50, 6, 8);
  const auto stage = make_transform(palu_row(), {{"heads", 2.0}, {"share", 1.0}});
  const Profile profile = calibrated(*stage, on, 8, 8);
  on.plane.profile = &profile;
  on.plane.head_first = 2;
  on.plane.head_count = 4;
  const auto values = on.normal_values(4);
  EXPECT_LT(relative_energy(values, inverse(*stage, on, forward(*stage, on, values))), 1e-9);
  const auto& transform = dynamic_cast<const TransformStage&>(*stage);
  ByteWriter side;
  on.plane.head_count = 3;
  EXPECT_FALSE(transform.begin_encode(on.plane, on.plane.columns(), {}, side));
}

TEST(Palu, MissingOrWrongTablesAreNamed) {
  TransformCase on(20, 4, 8);
  on.plane.tables = "test";
  const auto stage = make_transform(palu_row(), {});
  const auto& transform = dynamic_cast<const TransformStage&>(*stage);
  ByteWriter side;
  EXPECT_EQ(transform.begin_encode(on.plane, 32, {}, side).error().code, ErrorCode::kNotFound);
  Profile profile;
  on.plane.profile = &profile;
  const auto missing = transform.begin_encode(on.plane, 32, {}, side);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("palu.test.ranks.k.0"), std::string::npos);
  const std::vector<std::int32_t> ranks = {5};
  const std::vector<float> basis(4 * 32, 0.0F);  // for a rank of 4
  profile.put("palu.test.ranks.k.0", DType::kI32, {1}, std::as_bytes(std::span(ranks)));
  profile.put("palu.test.basis.k.0", DType::kF32, {128}, std::as_bytes(std::span(basis)));
  EXPECT_EQ(transform.begin_encode(on.plane, 32, {}, side).error().code, ErrorCode::kCorrupt);
  on.positions.clear();
  on.refresh();
  const Profile good = calibrated(*stage, on, 8, 8);  // no rows at all: any basis
  on.plane.profile = &good;
  EXPECT_TRUE(transform.begin_encode(on.plane, 32, {}, side));
}

}  // namespace
}  // namespace sluice::kernels
