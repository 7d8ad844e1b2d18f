// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/silu_mul.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/elementwise/test_rows.hpp"

namespace sluice::kernels {
namespace {

class SiluMul : public ::testing::TestWithParam<DType> {};

TEST_P(SiluMul, AgreesWithTheFormula) {
  constexpr std::int64_t kWidth = 77;
  TestRows in(6, 2 * kWidth, GetParam());
  TestRows out(6, kWidth, GetParam(), 2);
  silu_mul(6, kWidth, in.view(), out.view());
  for (std::int64_t row = 0; row < 6; ++row) {
    for (std::int64_t i = 0; i < kWidth; ++i) {
      const double x = in.at(row, i);
      const double expected = x / (1 + std::exp(-x)) * in.at(row, kWidth + i);
      ASSERT_NEAR(out.at(row, i), expected, out.tolerance(expected));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, SiluMul, ::testing::Values(DType::kF32, DType::kBF16));

TEST(SiluMul, LargeInputsStayFinite) {
  const std::vector<float> gates{-1e6F, -200, -90, -30, 0, 30, 200, 1e30F};
  std::vector<float> in = gates;
  in.insert(in.end(), gates.size(), 1.0F);
  std::vector<float> out(gates.size());
  silu_mul(1, 8, {in.data(), DType::kF32, 16}, {out.data(), DType::kF32, 8});
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const double x = gates[i];
    EXPECT_NEAR(out[i], x / (1 + std::exp(-x)), 1e-6 * std::abs(x) + 1e-7) << x;
  }
}

}  // namespace
}  // namespace sluice::kernels
