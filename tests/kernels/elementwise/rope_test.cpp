// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/rope.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "tests/kernels/elementwise/test_rows.hpp"

namespace sluice::kernels {
namespace {

using Case = std::tuple<bool, DType, std::int64_t, std::int64_t>;  // style, type, dim, pairs

class RopeKernel : public ::testing::TestWithParam<Case> {};

TEST_P(RopeKernel, TurnsEachPairByItsAngle) {
  const auto [is_interleaved, dtype, dim, pairs] = GetParam();
  constexpr std::int64_t kTokens = 3;
  constexpr std::int64_t kHeads = 4;
  std::vector<float> cos, sin;
  for (std::int64_t i = 0; i < kTokens * pairs; ++i) {
    cos.push_back(std::cos(0.3F * static_cast<float>(i)) * 1.1F);
    sin.push_back(std::sin(0.3F * static_cast<float>(i)) * 1.1F);
  }
  TestRows x(kTokens, kHeads * dim, dtype);
  const TestRows before = x;
  apply_rope({is_interleaved, kTokens, kHeads, dim, pairs, cos.data(), sin.data()}, x.view());
  for (std::int64_t token = 0; token < kTokens; ++token) {
    for (std::int64_t head = 0; head < kHeads; ++head) {
      for (std::int64_t i = 0; i < pairs; ++i) {
        const std::int64_t a = head * dim + (is_interleaved ? 2 * i : i);
        const std::int64_t b = head * dim + (is_interleaved ? 2 * i + 1 : i + pairs);
        const double c = cos[static_cast<std::size_t>(token * pairs + i)];
        const double s = sin[static_cast<std::size_t>(token * pairs + i)];
        const double turned_a = before.at(token, a) * c - before.at(token, b) * s;
        const double turned_b = before.at(token, b) * c + before.at(token, a) * s;
        ASSERT_NEAR(x.at(token, a), turned_a, x.tolerance(turned_a)) << head << ' ' << i;
        ASSERT_NEAR(x.at(token, b), turned_b, x.tolerance(turned_b)) << head << ' ' << i;
      }
      for (std::int64_t i = 2 * pairs; i < dim; ++i) {
        ASSERT_EQ(x.at(token, head * dim + i), before.at(token, head * dim + i));
      }
    }
    EXPECT_EQ(x.at(token, kHeads * dim), before.at(token, kHeads * dim));
  }
}

INSTANTIATE_TEST_SUITE_P(Styles, RopeKernel,
                         ::testing::Combine(::testing::Bool(),
                                            ::testing::Values(DType::kF32, DType::kBF16),
                                            ::testing::Values(64, 80), ::testing::Values(32, 11)));

}  // namespace
}  // namespace sluice::kernels
