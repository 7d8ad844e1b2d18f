// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/stages/transform/linear_algebra/multiply.hpp"
#include "kernels/stages/transform/linear_algebra/multiply_device.hpp"

namespace sluice::kernels {
namespace {

struct Shape {
  std::int64_t rows;
  std::int64_t depth;
  std::int64_t columns;
};

TEST(MultiplyBody, GivesTheBitsOfTheTunedProduct) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  for (const Shape& s : {Shape{1, 1, 1}, Shape{8, 64, 32}, Shape{9, 200, 33}, Shape{17, 3, 100},
                         Shape{5, 0, 4}, Shape{0, 4, 4}}) {
    for (const bool is_transposed : {false, true}) {
      std::vector<float> a(static_cast<std::size_t>(s.rows * s.depth));
      std::vector<float> b(static_cast<std::size_t>(s.depth * s.columns));
      for (auto& value : a) value = normal(generator);
      for (auto& value : b) value = normal(generator);
      MultiplyTask task;
      task.a = {a.data(), s.rows, s.depth, s.depth};
      task.b = is_transposed ? ConstMatrix{b.data(), s.columns, s.depth, s.depth}
                             : ConstMatrix{b.data(), s.depth, s.columns, s.columns};
      task.b_is_transposed = is_transposed;
      std::vector<float> by_body(static_cast<std::size_t>(s.rows * s.columns), -1.0F);
      auto tuned = by_body;
      task.out = {by_body.data(), s.rows, s.columns, s.columns};
      ASSERT_TRUE(check_multiply(task));
      const MultiplyTileBody body{task};
      run_on_host(body.grid(), body);
      const Matrix out{tuned.data(), s.rows, s.columns, s.columns};
      if (is_transposed) {
        multiply_transposed(task.a, task.b, out);
      } else {
        multiply(task.a, task.b, out);
      }
      EXPECT_EQ(by_body, tuned) << s.rows << "x" << s.depth << "x" << s.columns;
    }
  }
}

TEST(MultiplyBody, ShapesThatDoNotFitAreRefused) {
  MultiplyTask task;
  task.a = {nullptr, 2, 3, 3};
  task.b = {nullptr, 4, 5, 5};
  task.out = {nullptr, 2, 5, 5};
  EXPECT_FALSE(check_multiply(task));
  task.b.rows = 3;
  EXPECT_TRUE(check_multiply(task));
  task.b_is_transposed = true;
  EXPECT_FALSE(check_multiply(task));
}

}  // namespace
}  // namespace sluice::kernels
