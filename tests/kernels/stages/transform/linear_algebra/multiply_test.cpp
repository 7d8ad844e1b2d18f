// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/multiply.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {
namespace {

template <class Check>
void for_each_target(Check check) {
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
}

struct Shape {
  std::int64_t rows;
  std::int64_t depth;
  std::int64_t columns;
};
// Around the tiles' and blocks' sizes, and what heads and layers have.
constexpr Shape kShapes[] = {{1, 1, 1},      {3, 5, 2},     {8, 128, 48},  {9, 129, 49},
                             {257, 64, 4},   {64, 192, 96}, {5, 300, 17},  {300, 3, 80},
                             {16, 257, 144}, {7, 0, 5},     {2, 1000, 33}, {0, 4, 4}};

template <class T>
std::vector<T> random_values(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<T> values(static_cast<std::size_t>(count));
  for (auto& value : values) value = normal(generator);
  return values;
}

// The definition: one product after another.
template <class T, class A, class B>
T plain_sum(std::int64_t depth, A a, B b, T sum = 0) {
  for (std::int64_t k = 0; k < depth; ++k) {
    const T term = a(k) * b(k);
    sum = sum + term;
  }
  return sum;
}

TEST(Multiply, EveryTargetGivesTheBitsOfThePlainLoop) {
  for_each_target([] {
    for (const Shape& s : kShapes) {
      const std::int64_t stride = s.columns + 3;
      const auto a = random_values<float>(s.rows * s.depth, 1);
      const auto b = random_values<float>(s.depth * s.columns, 2);
      std::vector<float> out(static_cast<std::size_t>(s.rows * stride), -7.0F);
      multiply(ConstMatrix{a.data(), s.rows, s.depth, s.depth},
               ConstMatrix{b.data(), s.depth, s.columns, s.columns},
               Matrix{out.data(), s.rows, s.columns, stride});
      for (std::int64_t r = 0; r < s.rows; ++r) {
        for (std::int64_t c = 0; c < s.columns; ++c) {
          const float expected = plain_sum<float>(
              s.depth, [&](std::int64_t k) { return a[static_cast<std::size_t>(r * s.depth + k)]; },
              [&](std::int64_t k) { return b[static_cast<std::size_t>(k * s.columns + c)]; });
          ASSERT_EQ(out[static_cast<std::size_t>(r * stride + c)], expected)
              << s.rows << "x" << s.depth << "x" << s.columns << " at " << r << "," << c;
        }
        for (std::int64_t c = s.columns; c < stride; ++c) {
          ASSERT_EQ(out[static_cast<std::size_t>(r * stride + c)], -7.0F) << "wrote past a row";
        }
      }
    }
  });
}

TEST(Multiply, TransposedFactorsGiveTheSameBits) {
  for_each_target([] {
    for (const Shape& s : kShapes) {
      const auto a = random_values<float>(s.rows * s.depth, 3);
      const auto b = random_values<float>(s.depth * s.columns, 4);
      std::vector<float> a_turned(a.size());
      std::vector<float> b_turned(b.size());
      for (std::int64_t k = 0; k < s.depth; ++k) {
        for (std::int64_t r = 0; r < s.rows; ++r) {
          a_turned[static_cast<std::size_t>(k * s.rows + r)] =
              a[static_cast<std::size_t>(r * s.depth + k)];
        }
        for (std::int64_t c = 0; c < s.columns; ++c) {
          b_turned[static_cast<std::size_t>(c * s.depth + k)] =
              b[static_cast<std::size_t>(k * s.columns + c)];
        }
      }
      const ConstMatrix a_view{a.data(), s.rows, s.depth, s.depth};
      const ConstMatrix b_view{b.data(), s.depth, s.columns, s.columns};
      std::vector<float> out(static_cast<std::size_t>(s.rows * s.columns), 1.0F);
      auto by_b = out;
      auto by_a = out;
      multiply(a_view, b_view, Matrix{out.data(), s.rows, s.columns, s.columns});
      multiply_transposed(a_view, ConstMatrix{b_turned.data(), s.columns, s.depth, s.depth},
                          Matrix{by_b.data(), s.rows, s.columns, s.columns});
      transposed_multiply(ConstMatrix{a_turned.data(), s.depth, s.rows, s.rows}, b_view,
                          Matrix{by_a.data(), s.rows, s.columns, s.columns});
      ASSERT_EQ(out, by_b);
      ASSERT_EQ(out, by_a);
    }
  });
}

TEST(Multiply, Bf16FactorsAndSumsThatGoOnGiveTheBitsOfThePlainLoop) {
  for_each_target([] {
    for (const Shape& s : kShapes) {
      const auto a = random_values<float>(s.rows * s.depth, 5);
      const auto values = random_values<float>(s.depth * s.columns, 6);
      std::vector<Bf16> narrow;
      std::vector<float> b;
      for (const float value : values) {
        narrow.push_back({bf16_from_f32(value)});
        b.push_back(f32_from_bf16(narrow.back().bits));
      }
      const ConstMatrix a_view{a.data(), s.rows, s.depth, s.depth};
      const ConstMatrixBf16 narrow_view{narrow.data(), s.depth, s.columns, s.columns};
      const auto start = random_values<float>(s.rows * s.columns, 7);
      std::vector<float> out(start.size(), 1.0F);
      auto added = start;
      auto added_wide = start;
      multiply(a_view, narrow_view, Matrix{out.data(), s.rows, s.columns, s.columns});
      multiply_add(a_view, narrow_view, Matrix{added.data(), s.rows, s.columns, s.columns});
      multiply_add(a_view, ConstMatrix{b.data(), s.depth, s.columns, s.columns},
                   Matrix{added_wide.data(), s.rows, s.columns, s.columns});
      EXPECT_EQ(added, added_wide);
      for (std::int64_t r = 0; r < s.rows; ++r) {
        for (std::int64_t c = 0; c < s.columns; ++c) {
          const auto at = static_cast<std::size_t>(r * s.columns + c);
          const auto sum = [&](float from) {
            return plain_sum<float>(
                s.depth,
                [&](std::int64_t k) { return a[static_cast<std::size_t>(r * s.depth + k)]; },
                [&](std::int64_t k) { return b[static_cast<std::size_t>(k * s.columns + c)]; },
                from);
          };
          ASSERT_EQ(out[at], sum(0.0F));
          ASSERT_EQ(added[at], sum(start[at]));
        }
      }
    }
  });
}

TEST(Multiply, Fp64GivesTheBitsOfThePlainLoop) {
  for_each_target([] {
    for (const Shape& s : kShapes) {
      const auto a = random_values<double>(s.rows * s.depth, 5);
      const auto b = random_values<double>(s.depth * s.columns, 6);
      std::vector<double> out(static_cast<std::size_t>(s.rows * s.columns));
      multiply(ConstMatrix64{a.data(), s.rows, s.depth, s.depth},
               ConstMatrix64{b.data(), s.depth, s.columns, s.columns},
               Matrix64{out.data(), s.rows, s.columns, s.columns});
      for (std::int64_t r = 0; r < s.rows; ++r) {
        for (std::int64_t c = 0; c < s.columns; ++c) {
          const double expected = plain_sum<double>(
              s.depth, [&](std::int64_t k) { return a[static_cast<std::size_t>(r * s.depth + k)]; },
              [&](std::int64_t k) { return b[static_cast<std::size_t>(k * s.columns + c)]; });
          ASSERT_EQ(out[static_cast<std::size_t>(r * s.columns + c)], expected);
        }
      }
    }
  });
}

TEST(Multiply, AGramMatrixGrowsByWhatIsAdded) {
  for_each_target([] {
    constexpr std::int64_t kColumns = 37;
    const auto rows = random_values<float>(200 * kColumns, 7);
    const auto at = [&](std::int64_t r, std::int64_t c) {
      return static_cast<double>(rows[static_cast<std::size_t>(r * kColumns + c)]);
    };
    std::vector<double> sum(kColumns * kColumns, 0.0);
    const Matrix64 view{sum.data(), kColumns, kColumns, kColumns};
    add_gram(ConstMatrix{rows.data(), 150, kColumns, kColumns}, view);
    add_gram(ConstMatrix{rows.data() + 150 * kColumns, 50, kColumns, kColumns}, view);
    for (std::int64_t i = 0; i < kColumns; ++i) {
      for (std::int64_t j = 0; j < kColumns; ++j) {
        const double expected = plain_sum<double>(
            200, [&](std::int64_t k) { return at(k, i); },
            [&](std::int64_t k) { return at(k, j); });
        ASSERT_EQ(sum[static_cast<std::size_t>(i * kColumns + j)], expected);
      }
    }
  });
}

TEST(Multiply, ANaNOutsideARowStaysOutside) {
  // Two rows of a three-row matrix: padding must not carry the third row's NaN in.
  std::vector<float> a(12, 1.0F);
  a[11] = NAN;
  const std::vector<float> b(8, 2.0F);
  std::vector<float> out(6, 0.0F);
  multiply(ConstMatrix{a.data(), 3, 4, 4}, ConstMatrix{b.data(), 4, 2, 2},
           Matrix{out.data(), 3, 2, 2});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], 8.0F);
  EXPECT_TRUE(std::isnan(out[4]) && std::isnan(out[5]));
}

TEST(MultiplyDeathTest, RefusesFactorsThatDoNotFit) {
  std::vector<float> data(16, 1.0F);
  const ConstMatrix wide{data.data(), 2, 3, 3};
  EXPECT_DEATH(multiply(wide, wide, Matrix{data.data(), 2, 3, 3}), "factors do not fit");
}

}  // namespace
}  // namespace sluice::kernels
