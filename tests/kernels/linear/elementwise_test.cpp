// SPDX-License-Identifier: Apache-2.0
#include "kernels/linear/elementwise.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <random>
#include <vector>

namespace sluice::kernels {
namespace {

std::vector<float> random_vector(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (auto& value : values) value = normal(generator);
  return values;
}

template <class Body>
void for_each_target(Body body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(RmsNorm, AgreesWithTheFormulaInDouble) {
  for_each_target([] {
    for (const std::size_t count : {1U, 7U, 576U, 1001U}) {
      const auto x = random_vector(count, 1);
      const auto weight = random_vector(count, 2);
      double squares = 0;
      for (const float value : x) squares += static_cast<double>(value) * value;
      const double root = std::sqrt(squares / static_cast<double>(count) + 1e-5);
      std::vector<float> out(count);
      rms_norm(x.data(), weight.data(), static_cast<std::int64_t>(count), 1e-5, out.data());
      for (std::size_t i = 0; i < count; ++i) {
        const double expected = x[i] / root * weight[i];
        ASSERT_NEAR(out[i], expected, 1e-6 * std::abs(expected)) << count << " at " << i;
      }
    }
  });
}

TEST(SiluMultiply, AgreesWithTheFormulaInDoubleAndAtTheExtremes) {
  for_each_target([] {
    auto gate = random_vector(45, 3);
    for (float& value : gate) value *= 8;
    gate[0] = -1000;
    gate[1] = 1000;
    gate[2] = 0;
    gate[44] = -1000;
    const auto up = random_vector(45, 4);
    auto out = gate;
    silu_multiply(out.data(), up.data(), 45);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double value = gate[i];
      const double expected = value / (1 + std::exp(-value)) * up[i];
      ASSERT_NEAR(out[i], expected, 1e-6 * std::abs(expected) + 1e-30) << i;
    }
  });
}

TEST(RotatePairs, TurnsThePairsOfEachLayoutAndLeavesTheRest) {
  const float cosines[] = {0.0F, 0.6F};
  const float sines[] = {1.0F, 0.8F};
  std::vector<float> interleaved{1, 2, 3, 4, 5};
  rotate_pairs(interleaved.data(), cosines, sines, 2, PairLayout::kInterleaved);
  const float expected_interleaved[] = {-2, 1, 3 * 0.6F - 4 * 0.8F, 3 * 0.8F + 4 * 0.6F, 5};
  std::vector<float> halves{1, 3, 2, 4, 5};
  rotate_pairs(halves.data(), cosines, sines, 2, PairLayout::kHalves);
  const std::size_t place[] = {0, 2, 1, 3, 4};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_FLOAT_EQ(interleaved[i], expected_interleaved[i]) << i;
    EXPECT_FLOAT_EQ(halves[i], expected_interleaved[place[i]]) << i;
  }
}

}  // namespace
}  // namespace sluice::kernels
