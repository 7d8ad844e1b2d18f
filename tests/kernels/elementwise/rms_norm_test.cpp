// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/rms_norm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "tests/kernels/elementwise/test_rows.hpp"

namespace sluice::kernels {
namespace {

using Types = std::tuple<DType, DType, DType, std::int64_t>;  // delta, residual, out, width

class RmsNormTest : public ::testing::TestWithParam<Types> {
 protected:
  static constexpr std::int64_t kRows = 5;

  void expect_normalized(const TestRows& x, const TestRows& out, std::int64_t width) {
    for (std::int64_t row = 0; row < kRows; ++row) {
      double squares = 0;
      for (std::int64_t i = 0; i < width; ++i) squares += x.at(row, i) * x.at(row, i);
      const double root = std::sqrt(squares / static_cast<double>(width) + 0.01);
      for (std::int64_t i = 0; i < width; ++i) {
        const double expected = x.at(row, i) / root * weight_[static_cast<std::size_t>(i)];
        ASSERT_NEAR(out.at(row, i), expected, out.tolerance(expected)) << row << ' ' << i;
      }
    }
  }

  RmsNorm norm(std::int64_t width) {
    for (std::int64_t i = 0; i < width; ++i) {
      weight_.push_back(0.5F + static_cast<float>(i % 7) * 0.25F);
    }
    return {weight_.data(), width, 0.01F};
  }

  std::vector<float> weight_;
};

TEST_P(RmsNormTest, AloneAgreesWithTheFormula) {
  const auto [unused, type, out_type, width] = GetParam();
  TestRows x(kRows, width, type);
  TestRows out(kRows, width, out_type, 2);
  const double beside = out.at(1, width);
  rms_norm(norm(width), kRows, x.view(), out.view());
  expect_normalized(x, out, width);
  EXPECT_EQ(out.at(1, width), beside);
}

TEST_P(RmsNormTest, AddsToTheResidualFirst) {
  const auto [delta_type, type, out_type, width] = GetParam();
  TestRows delta(kRows, width, delta_type, 3);
  TestRows x(kRows, width, type);
  const TestRows before = x;
  TestRows out(kRows, width, out_type, 2);
  add_rms_norm(norm(width), kRows, delta.view(), x.view(), out.view());
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int64_t i = 0; i < width; ++i) {
      const double expected = before.at(row, i) + delta.at(row, i);
      ASSERT_NEAR(x.at(row, i), expected, x.tolerance(expected));
    }
    EXPECT_EQ(x.at(row, width), before.at(row, width));
  }
  expect_normalized(x, out, width);
}

INSTANTIATE_TEST_SUITE_P(Types, RmsNormTest,
                         ::testing::Combine(::testing::Values(DType::kF32, DType::kBF16),
                                            ::testing::Values(DType::kF32, DType::kBF16),
                                            ::testing::Values(DType::kF32, DType::kBF16),
                                            ::testing::Values(1, 13, 64, 576)));

}  // namespace
}  // namespace sluice::kernels
