// SPDX-License-Identifier: Apache-2.0
#include "kernels/linear/matvec.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/linear/dequantize.hpp"

namespace sluice::kernels {
namespace {

constexpr DType kWeightTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16,
                                  DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
                                  DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

// Random weights with finite scales: the exponent bits of every FP16 scale are bounded.
struct RandomWeights {
  RandomWeights(DType dtype, std::int64_t rows, std::int64_t columns, unsigned seed)
      : bytes(static_cast<std::size_t>(rows) * row_bytes(dtype, columns)) {
    std::mt19937 generator(seed);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(generator());
    std::normal_distribution<float> normal;
    const std::size_t step = dtype_block_bytes(dtype);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      const float value = normal(generator);
      const auto small = static_cast<std::uint16_t>(0x2000 | (generator() & 0x83ff));
      const auto put = [&](std::size_t offset, auto bits) {
        std::memcpy(bytes.data() + at + offset, &bits, sizeof bits);
      };
      if (dtype == DType::kF32) put(0, value);
      if (dtype == DType::kF16) put(0, static_cast<std::uint16_t>(generator() & 0xbfff));
      if (dtype == DType::kBF16) put(0, bf16_from_f32(value));
      if (step > 4) put(dtype == DType::kQ6_K ? 208 : 0, small);
      if (dtype == DType::kQ4_1 || dtype == DType::kQ4_K || dtype == DType::kQ5_K) put(2, small);
    }
    view = {reinterpret_cast<const std::byte*>(bytes.data()), dtype, 2, {rows, columns}};
  }
  std::vector<std::uint8_t> bytes;
  TensorView view;
};

std::vector<float> random_vector(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& value : values) value = normal(generator);
  return values;
}

struct Shape {
  std::int64_t rows;
  std::int64_t columns;
};

std::vector<Shape> shapes_of(DType dtype) {
  if (dtype_block_elements(dtype) == 256) return {{1, 256}, {7, 512}, {9, 2816}};
  if (dtype_block_elements(dtype) == 32) return {{1, 32}, {7, 96}, {13, 576}, {5, 1056}};
  return {{1, 1}, {3, 7}, {7, 33}, {13, 577}, {5, 1061}};
}

// Every instruction set this machine has is tried, the slow ones too.
template <class Body>
void for_each_target(Body body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(Matvec, AgreesWithDequantizedWeightsInDouble) {
  for_each_target([] {
    for (const DType dtype : kWeightTypes) {
      for (const Shape shape : shapes_of(dtype)) {
        const RandomWeights weights(dtype, shape.rows, shape.columns, 7);
        for (const std::int64_t count : {1, 3}) {
          const auto x = random_vector(count * shape.columns, 8);
          std::vector<float> y(static_cast<std::size_t>(count * shape.rows), NAN);
          matvec(weights.view, {0, shape.rows}, {x.data(), count}, y.data(), shape.rows);
          std::vector<float> row(static_cast<std::size_t>(shape.columns));
          for (std::int64_t n = 0; n < shape.rows; ++n) {
            dequantize(weights.view, n, 1, row.data());
            for (std::int64_t m = 0; m < count; ++m) {
              double sum = 0;
              double magnitude = 0;
              for (std::int64_t k = 0; k < shape.columns; ++k) {
                const double term = static_cast<double>(row[static_cast<std::size_t>(k)]) *
                                    x[static_cast<std::size_t>(m * shape.columns + k)];
                sum += term;
                magnitude += std::abs(term);
              }
              ASSERT_NEAR(y[static_cast<std::size_t>(m * shape.rows + n)], sum, 1e-6 * magnitude)
                  << dtype_name(dtype) << " " << shape.rows << "x" << shape.columns << " row " << n;
            }
          }
        }
      }
    }
  });
}

TEST(Matvec, AResultDoesNotDependOnTheOtherVectorsOrTheRange) {
  for_each_target([] {
    for (const DType dtype : kWeightTypes) {
      const Shape shape = shapes_of(dtype).back();
      const RandomWeights weights(dtype, shape.rows, shape.columns, 9);
      constexpr std::int64_t kCount = 19;  // more than one batch inside
      const auto x = random_vector(kCount * shape.columns, 10);
      std::vector<float> together(static_cast<std::size_t>(kCount * shape.rows));
      matvec(weights.view, {0, shape.rows}, {x.data(), kCount}, together.data(), shape.rows);
      for (std::int64_t m = 0; m < kCount; ++m) {
        for (std::int64_t n = 0; n < shape.rows; ++n) {
          float alone = NAN;
          matvec(weights.view, {n, n + 1}, {x.data() + m * shape.columns, 1}, &alone, 1);
          ASSERT_EQ(alone, together[static_cast<std::size_t>(m * shape.rows + n)])
              << dtype_name(dtype) << " vector " << m << " row " << n;
        }
      }
    }
  });
}

TEST(Matvec, ExactWeightsComeOutForUnitVectors) {
  for_each_target([] {
    for (const DType dtype : kWeightTypes) {
      const Shape shape = shapes_of(dtype)[1];
      const RandomWeights weights(dtype, shape.rows, shape.columns, 11);
      std::vector<float> row(static_cast<std::size_t>(shape.columns));
      dequantize(weights.view, shape.rows - 1, 1, row.data());
      std::vector<float> x(row.size(), 0.0F);
      for (std::size_t k = 0; k < row.size(); ++k) {
        x[k] = 1.0F;
        float y = NAN;
        matvec(weights.view, {shape.rows - 1, shape.rows}, {x.data(), 1}, &y, 1);
        ASSERT_EQ(y, row[k]) << dtype_name(dtype) << " column " << k;
        x[k] = 0.0F;
      }
    }
  });
}

TEST(MatvecDeathTest, RefusesRowsOutsideTheTensor) {
  const RandomWeights weights(DType::kF32, 4, 8, 1);
  const auto x = random_vector(8, 2);
  float y = 0;
  EXPECT_DEATH(matvec(weights.view, {4, 5}, {x.data(), 1}, &y, 1), "rows outside the tensor");
}

}  // namespace
}  // namespace sluice::kernels
