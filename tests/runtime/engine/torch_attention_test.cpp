// SPDX-License-Identifier: Apache-2.0
// Attention over a paged cache against attention written out in double.
#include "runtime/engine/torch_attention.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "kernels/elementwise/kv_pages.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t kBlockTokens = 32;
constexpr std::int64_t kDim = 16;
constexpr std::int64_t kTokens = 300;  // more than one panel of keys

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

class Attention : public ::testing::TestWithParam<std::tuple<std::int64_t, std::int64_t>> {
 protected:
  Attention() : heads_(std::get<0>(GetParam())), kv_heads_(std::get<1>(GetParam())) {
    std::mt19937 generator(1);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& values, std::int64_t heads) {
      values.resize(index(kTokens * heads * kDim));
      // Exact in BF16, so that both types read the same numbers.
      for (float& x : values) x = f32_from_bf16(bf16_from_f32(normal(generator)));
    };
    fill(queries_, heads_);
    fill(keys_, kv_heads_);
    fill(values_, kv_heads_);
    const std::int64_t block_floats = 2 * kv_heads_ * kBlockTokens * kDim;
    memory_.assign(index(10 * block_floats), NAN);
    for (std::int64_t i = 10; i-- > 0;) {
      starts_.push_back(reinterpret_cast<std::byte*>(memory_.data() + i * block_floats));
    }
    pages_ = {starts_, kBlockTokens, kv_heads_, kDim, 4};
    const std::int64_t width = kv_heads_ * kDim;
    kernels::store_kv(
        pages_,
        {0, kTokens, {keys_.data(), DType::kF32, width}, {values_.data(), DType::kF32, width}});
  }

  std::vector<float> attend(std::int64_t first, std::int64_t tokens, bool is_bf16) {
    const std::int64_t width = heads_ * kDim;
    std::vector<float> out(index(tokens * width), NAN);
    attend_chunk({.pages = pages_,
                  .first_token = first,
                  .tokens = tokens,
                  .heads = heads_,
                  .queries = {queries_.data() + first * width, DType::kF32, width},
                  .out = {out.data(), DType::kF32, width}},
                 is_bf16);
    return out;
  }

  // exp(q . k / sqrt(kDim))
  double exact_weight(std::int64_t token, std::int64_t head, std::int64_t key) const {
    const std::int64_t kv_head = head / (heads_ / kv_heads_);
    double score = 0;
    for (std::int64_t d = 0; d < kDim; ++d) {
      score += static_cast<double>(queries_[index((token * heads_ + head) * kDim + d)]) *
               keys_[index((key * kv_heads_ + kv_head) * kDim + d)];
    }
    return std::exp(score / std::sqrt(static_cast<double>(kDim)));
  }

  double exact_log_sum(std::int64_t token, std::int64_t head) const {
    double total = 0;
    for (std::int64_t key = 0; key <= token; ++key) total += exact_weight(token, head, key);
    return std::log(total);
  }

  double exact(std::int64_t token, std::int64_t head, std::int64_t i) const {
    const std::int64_t kv_head = head / (heads_ / kv_heads_);
    double total = 0;
    double sum = 0;
    for (std::int64_t key = 0; key <= token; ++key) {
      const double weight = exact_weight(token, head, key);
      total += weight;
      sum += weight * values_[index((key * kv_heads_ + kv_head) * kDim + i)];
    }
    return sum / total;
  }

  std::int64_t heads_;
  std::int64_t kv_heads_;
  std::vector<float> queries_, keys_, values_, memory_;
  std::vector<std::byte*> starts_;
  kernels::KvPages pages_;
};

TEST_P(Attention, AgreesWithTheFormula) {
  for (const bool is_bf16 : {false, true}) {
    if (is_bf16 && !has_bf16_attention()) continue;
    const auto out = attend(0, kTokens, is_bf16);
    for (const std::int64_t token : {0, 1, 31, 32, 63, 64, 255, 256, 299}) {
      for (std::int64_t head = 0; head < heads_; ++head) {
        ASSERT_NEAR(out[index((token * heads_ + head) * kDim + 3)], exact(token, head, 3),
                    is_bf16 ? 2e-2 : 1e-5)
            << "token " << token << " head " << head << " bf16 " << is_bf16;
      }
    }
  }
}

// The contract that answers do not depend on where a prompt was cut, bit for bit.
TEST_P(Attention, ATokenDoesNotDependOnItsChunk) {
  for (const bool is_bf16 : {false, true}) {
    if (is_bf16 && !has_bf16_attention()) continue;
    const auto whole = attend(0, kTokens, is_bf16);
    for (const std::int64_t first : {1, 40, 257, 299}) {
      const auto part = attend(first, kTokens - first, is_bf16);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first * heads_ * kDim))
          << "from " << first << " bf16 " << is_bf16;
    }
  }
}

TEST_P(Attention, TheLogSumNormalisesTheWeights) {
  for (const bool is_bf16 : {false, true}) {
    if (is_bf16 && !has_bf16_attention()) continue;
    constexpr std::int64_t kFirst = 40;
    const std::int64_t width = heads_ * kDim;
    std::vector<float> out(index((kTokens - kFirst) * width), NAN);
    std::vector<float> lse(index((kTokens - kFirst) * heads_), NAN);
    attend_chunk({.pages = pages_,
                  .first_token = kFirst,
                  .tokens = kTokens - kFirst,
                  .heads = heads_,
                  .queries = {queries_.data() + kFirst * width, DType::kF32, width},
                  .out = {out.data(), DType::kF32, width},
                  .lse = lse.data()},
                 is_bf16);
    for (const std::int64_t token : {40, 63, 64, 255, 256, 299}) {
      for (std::int64_t head = 0; head < heads_; ++head) {
        ASSERT_NEAR(lse[index((token - kFirst) * heads_ + head)], exact_log_sum(token, head), 1e-4)
            << "token " << token << " head " << head << " bf16 " << is_bf16;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, Attention,
                         ::testing::Values(std::tuple{6, 2}, std::tuple{3, 3}, std::tuple{4, 1}));

}  // namespace
}  // namespace sluice::runtime
