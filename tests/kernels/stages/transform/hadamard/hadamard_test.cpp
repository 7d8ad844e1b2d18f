// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/hadamard/hadamard.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::make_stage;

std::vector<float> normal_values(std::int64_t count) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

struct Shape {
  std::int64_t heads;
  std::int64_t head_dim;
  std::int64_t block;
};

std::vector<float> there(const Stage& stage, const Shape& shape, const std::vector<float>& values,
                         std::vector<float>& back) {
  const auto& transform = dynamic_cast<const TransformStage&>(stage);
  const CacheShape cache{.layers = 1,
                         .kv_heads = shape.heads,
                         .head_dim = shape.head_dim,
                         .model_fingerprint = 1,
                         .rope = {}};
  Plane plane;
  plane.shape = &cache;
  plane.head_count = shape.heads;
  const std::int64_t columns = shape.heads * shape.head_dim;
  const auto rows = static_cast<std::int64_t>(values.size()) / columns;
  std::vector<float> turned(values.size());
  back.resize(values.size());
  ByteWriter side;
  const auto plan = transform.begin_encode(plane, columns, {}, side).value();
  EXPECT_EQ(plan->columns(), columns);
  plan->forward(0, {values.data(), rows, columns, columns},
                {turned.data(), rows, columns, columns});
  ByteReader reader(side.bytes());
  const auto inverse = transform.begin_decode(plane, columns, reader).value();
  inverse->inverse(0, {turned.data(), rows, columns, columns},
                   {back.data(), rows, columns, columns});
  return turned;
}

// The matrix itself, in double: entry (i, j) is -1 to the number of common bits, over sqrt(B).
TEST(Hadamard, IsTheMatrixOfItsDefinitionAndComesBack) {
  const auto stage = make_stage(hadamard_row(), {});
  for (const Shape shape : {Shape{2, 64, 64}, {3, 80, 16}, {1, 96, 32}, {2, 3, 1}, {1, 128, 128}}) {
    const std::int64_t columns = shape.heads * shape.head_dim;
    const auto values = normal_values(4 * columns);
    std::vector<float> back;
    const auto turned = there(*stage, shape, values, back);
    const double norm = 1.0 / std::sqrt(static_cast<double>(shape.block));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t in_block = i % static_cast<std::size_t>(shape.block);
      double sum = 0;
      for (std::size_t j = 0; j < static_cast<std::size_t>(shape.block); ++j) {
        const double sign = std::popcount(in_block & j) % 2 == 0 ? norm : -norm;
        sum += sign * double{values[i - in_block + j]};
      }
      ASSERT_NEAR(turned[i], sum, 2e-6) << shape.head_dim << ' ' << i;
      ASSERT_NEAR(back[i], values[i], 2e-6) << shape.head_dim << ' ' << i;
    }
  }
}

TEST(Hadamard, SignsSpreadAConstantAndComeBack) {
  const Shape shape{2, 64, 64};
  const std::vector<float> values(128, 1.0F);
  std::vector<float> back;
  const auto plain = there(*make_stage(hadamard_row(), {}), shape, values, back);
  EXPECT_FLOAT_EQ(plain[0], 8.0F);  // all in one channel
  const auto stage = make_stage(hadamard_row(), {{"signs", true}, {"seed", 7.0}});
  const auto turned = there(*stage, shape, values, back);
  for (const float value : turned) EXPECT_LT(std::abs(value), 5.0F);
  EXPECT_TRUE(std::equal(turned.begin(), turned.begin() + 64, turned.begin() + 64));  // per head
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(back[i], 1.0F, 1e-6F);
  const auto other = make_stage(hadamard_row(), {{"signs", true}, {"seed", 8.0}});
  EXPECT_NE(there(*other, shape, values, back), turned);
}

TEST(Hadamard, NoRows) {
  std::vector<float> back;
  EXPECT_TRUE(there(*make_stage(hadamard_row(), {}), {2, 64, 64}, {}, back).empty());
}

}  // namespace
}  // namespace sluice::kernels
