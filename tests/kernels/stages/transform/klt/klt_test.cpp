// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/klt/klt.hpp"

#include <gtest/gtest.h>

#include <cmath>
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

// Columns with means, standard deviations that fall, and each leaning on the one before.
std::vector<float> leaning(const TransformCase& on, unsigned seed) {
  auto values = on.normal_values(seed);
  const auto columns = static_cast<std::size_t>(on.plane.columns());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = i % columns;
    values[i] *= std::pow(0.8F, static_cast<float>(c % 16));
    if (c > 0) values[i] += 0.5F * (values[i - 1] - 3.0F);
    values[i] += 3.0F;
  }
  return values;
}

void calibrate(const Stage& stage, TransformCase& on, Profile& profile) {
  const auto calibration = stage.calibration();
  for (unsigned cache = 0; cache < 3; ++cache) {
    const auto values = leaning(on, 100 + cache);
    ASSERT_TRUE(calibration->observe(on.plane, on.view(values)));
  }
  ASSERT_TRUE(calibration->finish(profile));
}

TEST(Klt, ComponentsAreUncorrelatedCentredAndSorted) {
  for (const char* scope : {"layer", "head"}) {
    TransformCase on(2000, 3, 16);
    on.plane.tables = "test";
    const auto stage = make_transform(klt_row(), {{"scope", std::string(scope)}});
    Profile profile;
    calibrate(*stage, on, profile);
    on.plane.profile = &profile;
    const auto values = leaning(on, 100);
    const auto coded = forward(*stage, on, values);
    ASSERT_EQ(coded.columns, 48);
    EXPECT_TRUE(coded.side.empty());
    EXPECT_LT(relative_energy(values, inverse(*stage, on, coded)), 1e-11);
    const auto variance = profile.require("klt.test.variance.k.0", DType::kF32, 48);
    ASSERT_TRUE(variance);
    const std::int64_t block = std::string(scope) == "layer" ? 48 : 16;
    for (std::int64_t c = 0; c < 48; ++c) {
      double mean = 0;
      double square = 0;
      double with_first = 0;
      for (std::int64_t r = 0; r < on.rows(); ++r) {
        const double value = coded.values[static_cast<std::size_t>(r * 48 + c)];
        mean += value;
        square += value * value;
        with_first += value * coded.values[static_cast<std::size_t>(r * 48 + c / block * block)];
      }
      const double expected = variance->as<float>()[c];
      const auto rows = static_cast<double>(on.rows());
      EXPECT_NEAR(mean / rows, 0.0, 0.1 * std::sqrt(expected)) << c;
      EXPECT_NEAR(square / rows, expected, 0.15 * expected) << c;
      if (c % block != 0) {
        EXPECT_GE(variance->as<float>()[c - 1], expected) << c;
        const double first = variance->as<float>()[c / block * block];
        EXPECT_NEAR(with_first / rows, 0.0, 0.1 * std::sqrt(expected * first)) << c;
      }
    }
  }
}

TEST(Klt, FewerComponentsKeepMostOfTheVariance) {
  TransformCase on(1000, 3, 16);
  on.plane.tables = "test";
  const auto stage = make_transform(klt_row(), {{"components", 0.25}});
  Profile profile;
  calibrate(*stage, on, profile);
  on.plane.profile = &profile;
  const auto values = leaning(on, 7);
  const auto coded = forward(*stage, on, values);
  EXPECT_EQ(coded.columns, 12);
  EXPECT_LT(relative_energy(values, inverse(*stage, on, coded)), 0.03);
}

// A weight of A'A: an error costs what it is after A.
TEST(Klt, AWeightMakesErrorsCostTheSameInEveryComponent) {
  TransformCase on(500, 2, 8);
  on.plane.tables = "test";
  std::vector<double> a(16 * 16);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::cos(static_cast<double>(i * i % 97));
  std::vector<float> weight(16 * 16);
  for (std::size_t r = 0; r < 16; ++r) {
    for (std::size_t c = 0; c < 16; ++c) {
      double sum = r == c ? 0.05 : 0.0;
      for (std::size_t k = 0; k < 16; ++k) sum += a[k * 16 + r] * a[k * 16 + c];
      weight[r * 16 + c] = static_cast<float>(sum);
    }
  }
  Profile profile;
  profile.put("fisher.k.0", DType::kF32, {16, 16}, std::as_bytes(std::span(weight)));
  const auto stage =
      make_transform(klt_row(), {{"weight", std::string("fisher")}, {"regularize", 0.0}});
  calibrate(*stage, on, profile);
  on.plane.profile = &profile;
  const auto values = leaning(on, 8);
  auto coded = forward(*stage, on, values);
  const auto exact = inverse(*stage, on, coded);
  EXPECT_LT(relative_energy(values, exact), 1e-9);
  for (std::size_t component = 0; component < 16; ++component) {
    auto moved = coded;
    for (std::size_t r = 0; r < 500; ++r) moved.values[r * 16 + component] += 0.5F;
    const auto other = inverse(*stage, on, moved);
    double cost = 0;
    for (std::size_t r = 0; r < 16; ++r) {
      for (std::size_t c = 0; c < 16; ++c) {
        cost += static_cast<double>(other[r] - exact[r]) * weight[r * 16 + c] *
                static_cast<double>(other[c] - exact[c]);
      }
    }
    EXPECT_NEAR(cost, 0.25, 0.005) << component;
  }
}

TEST(Klt, SinksAreNotLearntFrom) {
  TransformCase on(300, 2, 8);
  on.plane.tables = "test";
  const auto stage = make_transform(klt_row(), {});
  Profile plain;
  calibrate(*stage, on, plain);
  Profile profile;
  const auto calibration = stage->calibration();
  for (unsigned cache = 0; cache < 3; ++cache) {
    auto values = leaning(on, 100 + cache);
    for (std::size_t i = 0; i < 4 * 16; ++i) values[i] = 1e4F;
    ASSERT_TRUE(calibration->observe(on.plane, on.view(values)));
  }
  ASSERT_TRUE(calibration->finish(profile));
  EXPECT_EQ(profile.hash(), plain.hash());
}

TEST(Klt, GroupsOfLayersAndHeadsByThemselves) {
  TransformCase on(100, 2, 8);
  on.plane.tables = "test";
  on.plane.layer_count = 2;
  const auto stage = make_transform(klt_row(), {{"scope", std::string("head")}});
  Profile profile;
  calibrate(*stage, on, profile);
  on.plane.profile = &profile;
  EXPECT_EQ(profile.names().size(), 6U);  // three tensors of two layers
  const auto values = leaning(on, 9);
  EXPECT_LT(relative_energy(values, inverse(*stage, on, forward(*stage, on, values))), 1e-11);
  on.plane.layer_count = 1;
  on.plane.layer_first = 1;
  on.plane.head_first = 1;
  on.plane.head_count = 1;
  const auto one = on.normal_values(10);
  EXPECT_LT(relative_energy(one, inverse(*stage, on, forward(*stage, on, one))), 1e-10);
}

TEST(Klt, WhatIsMissingOrDoesNotFitIsNamed) {
  TransformCase on(50, 2, 8);
  on.plane.tables = "test";
  const auto stage = make_transform(klt_row(), {});
  const auto& transform = dynamic_cast<const TransformStage&>(*stage);
  ByteWriter side;
  EXPECT_EQ(transform.begin_encode(on.plane, 16, {}, side).error().code, ErrorCode::kNotFound);
  Profile profile;
  on.plane.profile = &profile;
  const auto missing = transform.begin_encode(on.plane, 16, {}, side);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("klt.test.mean.k.0"), std::string::npos);
  calibrate(*stage, on, profile);
  on.plane.head_count = 1;
  const auto narrow = transform.begin_encode(on.plane, 8, {}, side);
  ASSERT_FALSE(narrow);
  EXPECT_EQ(narrow.error().code, ErrorCode::kInvalidArgument);
  on.plane.head_count = 2;
  const auto weighted = make_transform(klt_row(), {{"weight", std::string("fisher")}});
  const auto calibration = weighted->calibration();
  const auto values = leaning(on, 1);
  ASSERT_TRUE(calibration->observe(on.plane, on.view(values)));
  EXPECT_FALSE(calibration->finish(profile));  // no fisher.k.0
  const std::vector<float> zero(16 * 16, 0.0F);
  profile.put("fisher.k.0", DType::kF32, {16, 16}, std::as_bytes(std::span(zero)));
  const auto singular = calibration->finish(profile);
  ASSERT_FALSE(singular);
  EXPECT_EQ(singular.error().code, ErrorCode::kInvalidArgument);
}

TEST(Klt, ConstantOrNoRowsCalibrateToo) {
  for (const std::int64_t rows : {0, 1, 50}) {
    TransformCase on(rows, 1, 6);
    on.plane.tables = "test";
    const std::vector<float> values(static_cast<std::size_t>(rows * 6), 2.5F);
    const auto stage = make_transform(klt_row(), {{"skip_tokens", 0.0}});
    const auto calibration = stage->calibration();
    ASSERT_TRUE(calibration->observe(on.plane, on.view(values)));
    Profile profile;
    ASSERT_TRUE(calibration->finish(profile));
    on.plane.profile = &profile;
    EXPECT_LT(relative_energy(values, inverse(*stage, on, forward(*stage, on, values))), 1e-12);
  }
}

}  // namespace
}  // namespace sluice::kernels
