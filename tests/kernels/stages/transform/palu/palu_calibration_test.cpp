// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/palu/palu_calibration.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/transformed_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::TransformCase;

// The derivation in the header, on numbers: X random activations, W a projection, whitened and
// truncated by hand at rank 1 of 2.
TEST(PaluCalibration, FindsTheWhitenedDecompositionOfTheWeights) {
  TransformCase on(4, 1, 2);
  const std::vector<float> cache = {2, 1, -1, -0.5F, 4, 2.5F, 3, 1};  // X W, four tokens
  const auto calibration = calibrate_palu({0.5, 4});
  on.plane.tables = "t";
  ASSERT_TRUE(calibration->observe(on.plane, on.view(cache)));
  Profile profile;
  ASSERT_TRUE(calibration->finish(profile));
  const auto basis = profile.require("palu.t.basis.k.0", DType::kF32, 2);
  ASSERT_TRUE(basis);
  // The leading eigenvector of the cache's Gram matrix [[a, b], [b, d]] by formula.
  const double a = 30;
  const double b = 15.5;
  const double d = 8.5;
  const double top = (a + d) / 2 + std::sqrt((a - d) * (a - d) / 4 + b * b);
  const double length = std::sqrt(b * b + (top - a) * (top - a));
  EXPECT_NEAR(std::abs(basis->as<float>()[0]), b / length, 1e-6);
  EXPECT_NEAR(std::abs(basis->as<float>()[1]), (top - a) / length, 1e-6);
}

TEST(PaluCalibration, RefusesPlanesOfSomeHeads) {
  TransformCase on(4, 2, 2);
  on.plane.head_count = 1;
  const std::vector<float> rows(8, 1.0F);
  EXPECT_FALSE(calibrate_palu({0.5, 4})->observe(on.plane, {rows.data(), 4, 2, 2}));
}

}  // namespace
}  // namespace sluice::kernels
