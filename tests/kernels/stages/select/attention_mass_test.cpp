// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/attention_mass.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>
#include <omp.h>

#include "kernels/stages/select/attention_mass_body.hpp"
#include "tests/kernels/stages/select/attention_case.hpp"

namespace sluice::kernels {
namespace {

struct Masses {
  std::vector<float> sum;
  std::vector<float> peak;
};

Masses add(const AttentionCase& layer, std::int64_t first, std::int64_t last, Masses masses = {}) {
  const auto size = static_cast<std::size_t>(layer.kv_heads * layer.tokens);
  masses.sum.resize(size);
  masses.peak.resize(size);
  const LayerQueries piece = layer.piece(0, first, last);
  add_attention_mass({.pages = piece.pages,
                      .first_token = first,
                      .last_token = last,
                      .heads = layer.heads,
                      .queries = piece.queries,
                      .lse = piece.lse,
                      .sum = masses.sum.data(),
                      .peak = masses.peak.data(),
                      .stride = layer.tokens});
  return masses;
}

struct Shape {
  std::int64_t tokens, heads, kv_heads, head_dim, first;
  DType dtype;
  std::int64_t block;
};

const Shape kShapes[] = {
    {1, 1, 1, 3, 0, DType::kF32, 32},       {70, 3, 1, 16, 30, DType::kF32, 32},
    {131, 4, 2, 80, 100, DType::kBF16, 32}, {200, 6, 3, 64, 190, DType::kBF16, 16},
    {129, 2, 2, 96, 128, DType::kF32, 7},
};

// The oracle is a direct softmax in double; every instruction set this machine has is tried.
TEST(AttentionMass, IsTheSumAndTheMaximumOfADirectSoftmax) {
  for (const Shape& shape : kShapes) {
    const AttentionCase layer(shape.tokens, shape.heads, shape.kv_heads, shape.head_dim,
                              shape.dtype, shape.block);
    std::vector<double> sums;
    std::vector<double> peaks;
    for (std::int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
      for (std::int64_t key = 0; key < shape.tokens; ++key) {
        double most = 0;
        sums.push_back(layer.mass(kv_head, key, shape.first, shape.tokens, &most));
        peaks.push_back(most);
      }
    }
    for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
      hwy::SetSupportedTargetsForTest(target);
      const Masses masses = add(layer, shape.first, shape.tokens);
      for (std::size_t i = 0; i < sums.size(); ++i) {
        ASSERT_NEAR(masses.sum[i], sums[i], 1e-5 + 1e-5 * sums[i])
            << hwy::TargetName(target) << " tokens " << shape.tokens << " at " << i;
        ASSERT_NEAR(masses.peak[i], peaks[i], 2e-5) << hwy::TargetName(target) << " at " << i;
      }
    }
    hwy::SetSupportedTargetsForTest(0);
  }
}

TEST(AttentionMass, DoesNotDependOnWhereQueriesAreCutNorOnThreads) {
  const AttentionCase layer(300, 6, 2, 64, DType::kBF16);
  const Masses whole = add(layer, 40, 300);
  Masses parts;
  for (const auto& [first, last] : {std::pair{40, 41}, {41, 103}, {103, 257}, {257, 300}}) {
    parts = add(layer, first, last, std::move(parts));
  }
  EXPECT_EQ(whole.sum, parts.sum);
  EXPECT_EQ(whole.peak, parts.peak);
  const int threads = omp_get_max_threads();
  omp_set_num_threads(threads == 1 ? 2 : 1);
  const Masses other = add(layer, 40, 300);
  omp_set_num_threads(threads);
  EXPECT_EQ(whole.sum, other.sum);
}

TEST(AttentionMass, OfNoQueriesIsNothing) {
  const AttentionCase layer(5, 2, 1, 8);
  EXPECT_EQ(add(layer, 3, 3).sum, std::vector<float>(5, 0.0F));
}

TEST(AttentionMassBody, OnHostLanesAgreesWithTheTunedCode) {
  for (const Shape& shape : kShapes) {
    const AttentionCase layer(shape.tokens, shape.heads, shape.kv_heads, shape.head_dim,
                              shape.dtype, shape.block);
    const Masses tuned = add(layer, shape.first, shape.tokens);
    std::vector<float> sum(tuned.sum.size());
    const LayerQueries piece = layer.piece(0, shape.first, shape.tokens);
    const AttentionMassTask task{.pages = layer.starts.data(),
                                 .block_tokens = shape.block,
                                 .kv_heads = shape.kv_heads,
                                 .head_dim = shape.head_dim,
                                 .pages_are_f32 = shape.dtype == DType::kF32,
                                 .first_token = shape.first,
                                 .last_token = shape.tokens,
                                 .heads = shape.heads,
                                 .queries = static_cast<const float*>(piece.queries.data),
                                 .lse = piece.lse,
                                 .sum = sum.data(),
                                 .stride = shape.tokens};
    with_attention_mass_body(task, std::sqrt(static_cast<float>(shape.head_dim)),
                             [](std::int64_t grid, const auto& body) { run_on_host(grid, body); });
    for (std::size_t i = 0; i < sum.size(); ++i) {
      ASSERT_NEAR(sum[i], tuned.sum[i], 1e-5F + 1e-5F * tuned.sum[i]) << i;
    }
  }
}

TEST(AttentionMassBody, ItsExponentialIsClose) {
  for (float x = -140.0F; x < 3.0F; x += 0.37F) {
    const double exact = std::exp2(std::max(static_cast<double>(x), -126.0));
    EXPECT_NEAR(exp2_of(x) / exact, 1.0, 1e-6) << x;
  }
}

#if !defined(SLUICE_CUDA)
TEST(AttentionMassOnCuda, WithoutCudaIsASentence) {
  EXPECT_EQ(add_attention_mass_on_cuda({}, nullptr).error().code, ErrorCode::kUnsupported);
}
#endif

}  // namespace
}  // namespace sluice::kernels
