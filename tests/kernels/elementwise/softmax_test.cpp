// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/softmax.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace sluice::kernels {
namespace {

constexpr std::int64_t kRows = 6;  // two queries of each of three tokens
constexpr std::int64_t kKeys = 32;
constexpr std::int64_t kDim = 5;
constexpr std::int64_t kFirstQuery = 40;
constexpr float kScale = 0.7F;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

// Blocks of keys one after another, as attention does it, against one softmax in double.
TEST(SoftmaxBlocks, TogetherAreOneCausalSoftmax) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(0, 5);
  constexpr std::int64_t kBlocks = 2;
  std::vector<float> scores(index(kRows * kBlocks * kKeys));  // [block][row][key]
  std::vector<float> values(index(kBlocks * kKeys * kDim));
  for (float& x : scores) x = normal(generator);
  for (float& x : values) x = normal(generator);

  std::vector<float> maximum(kRows, -std::numeric_limits<float>::infinity());
  std::vector<float> total(kRows, 0.0F);
  std::vector<float> sums(index(kRows * kDim), 0.0F);
  std::vector<float> weights(index(kRows * kKeys));
  SoftmaxBlock block{.rows = kRows,
                     .first_query = kFirstQuery,
                     .queries_per_token = 2,
                     .keys = kKeys,
                     .head_dim = kDim,
                     .scale = kScale,
                     .weights = weights.data(),
                     .maximum = maximum.data(),
                     .total = total.data(),
                     .sums = sums.data()};
  for (std::int64_t b = 0; b < kBlocks; ++b) {
    block.first_key = b * kKeys;
    block.scores = scores.data() + b * kRows * kKeys;
    softmax_block(block);
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::int64_t key = 0; key < kKeys; ++key) {
        const float weight = weights[index(row * kKeys + key)];
        if (b * kKeys + key > kFirstQuery + row / 2) {
          ASSERT_EQ(weight, 0.0F);
        }
        for (std::int64_t i = 0; i < kDim; ++i) {
          sums[index(row * kDim + i)] += weight * values[index((b * kKeys + key) * kDim + i)];
        }
      }
    }
  }

  for (std::int64_t row = 0; row < kRows; ++row) {
    std::vector<double> exact(kDim, 0.0);
    double sum = 0;
    for (std::int64_t key = 0; key <= kFirstQuery + row / 2; ++key) {
      const double weight =
          std::exp(kScale * scores[index(key / kKeys * kRows * kKeys + row * kKeys + key % kKeys)]);
      sum += weight;
      for (std::int64_t i = 0; i < kDim; ++i) {
        exact[index(i)] += weight * values[index(key * kDim + i)];
      }
    }
    std::vector<float> out(kDim);
    softmax_finish(block, row, out.data(), DType::kF32);
    for (std::int64_t i = 0; i < kDim; ++i) {
      EXPECT_NEAR(out[index(i)], exact[index(i)] / sum, 2e-5) << row << ' ' << i;
    }
  }
}

TEST(SoftmaxBlocks, Bf16WeightsAreTheRoundedOnes) {
  std::vector<float> scores(kKeys);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = 0.3F * static_cast<float>(i);
  std::vector<float> wide(kKeys);
  std::vector<std::uint16_t> narrow(kKeys);
  std::vector<float> sums(kDim, 0.0F);
  for (const bool is_narrow : {false, true}) {
    float maximum = -std::numeric_limits<float>::infinity();
    float total = 0;
    softmax_block({.rows = 1,
                   .first_query = kKeys,
                   .keys = kKeys,
                   .head_dim = kDim,
                   .scores = scores.data(),
                   .weights = is_narrow ? static_cast<void*>(narrow.data()) : wide.data(),
                   .weights_dtype = is_narrow ? DType::kBF16 : DType::kF32,
                   .maximum = &maximum,
                   .total = &total,
                   .sums = sums.data()});
  }
  for (std::size_t i = 0; i < wide.size(); ++i) {
    EXPECT_EQ(narrow[i], bf16_from_f32(wide[i]));
    EXPECT_NEAR(wide[i], std::exp(scores[i] - scores.back()), 1e-6);
  }
}

// Scores far apart: what is negligible vanishes, nothing overflows.
TEST(SoftmaxBlocks, ExtremeScoresStayFinite) {
  std::vector<float> scores(16, -1e30F);
  scores[3] = 1e30F;
  float maximum = -std::numeric_limits<float>::infinity();
  float total = 0;
  std::vector<float> sums(kDim, 0.0F);
  softmax_block({.rows = 1,
                 .first_query = 16,
                 .keys = 16,
                 .head_dim = kDim,
                 .scores = scores.data(),
                 .weights = scores.data(),
                 .maximum = &maximum,
                 .total = &total,
                 .sums = sums.data()});
  EXPECT_EQ(total, 1.0F);
  EXPECT_EQ(scores[3], 1.0F);
  EXPECT_LT(scores[2], 1e-30F);
}

}  // namespace
}  // namespace sluice::kernels
