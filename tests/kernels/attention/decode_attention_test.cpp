// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/decode_attention.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace sluice::kernels {
namespace {

// A sequence in blocks of 32 tokens laid out as [K, V][kv_head][32][head_dim], out of order.
struct Sequence {
  Sequence(DType type, std::int64_t kv_heads_, std::int64_t width, std::int64_t tokens_,
           double magnitude)
      : dtype(type), kv_heads(kv_heads_), head_dim(width), tokens(tokens_) {
    const std::int64_t count = (tokens + kBlock - 1) / kBlock;
    element = dtype == DType::kF32 ? 4 : 2;
    const std::size_t block_bytes =
        static_cast<std::size_t>(2 * kv_heads * kBlock * head_dim) * element;
    std::mt19937 generator(3);
    std::normal_distribution<float> normal(0, static_cast<float>(magnitude));
    // NaN where no token is: reading it would show.
    memory.assign(static_cast<std::size_t>(count) * block_bytes, std::byte{0xff});
    for (std::int64_t i = 0; i < count; ++i) {
      blocks.push_back(memory.data() + static_cast<std::size_t>(count - 1 - i) * block_bytes);
    }
    for (std::int64_t token = 0; token < tokens; ++token) {
      for (const bool is_value : {false, true}) {
        for (std::int64_t head = 0; head < kv_heads; ++head) {
          for (std::int64_t d = 0; d < head_dim; ++d) {
            std::byte* at = place(is_value, head, token, d);
            const float value = normal(generator);
            const std::uint16_t half = bf16_from_f32(value);
            if (dtype == DType::kF32) std::memcpy(at, &value, 4);
            if (dtype == DType::kBF16) std::memcpy(at, &half, 2);
          }
        }
      }
    }
  }

  static constexpr std::int64_t kBlock = 32;
  std::size_t offset(bool is_value, std::int64_t head) const {
    return static_cast<std::size_t>(((is_value ? kv_heads : 0) + head) * kBlock * head_dim) *
           element;
  }
  std::byte* place(bool is_value, std::int64_t head, std::int64_t token, std::int64_t d) {
    return const_cast<std::byte*>(blocks[static_cast<std::size_t>(token / kBlock)]) +
           offset(is_value, head) +
           static_cast<std::size_t>(token % kBlock * head_dim + d) * element;
  }
  double at(bool is_value, std::int64_t head, std::int64_t token, std::int64_t d) {
    float value = 0;
    std::uint16_t half = 0;
    std::memcpy(dtype == DType::kF32 ? static_cast<void*>(&value) : &half,
                place(is_value, head, token, d), element);
    return dtype == DType::kF32 ? value : f32_from_bf16(half);
  }

  DType dtype;
  std::int64_t kv_heads, head_dim, tokens;
  std::size_t element = 0;
  std::vector<std::byte> memory;
  std::vector<const std::byte*> blocks;
};

std::vector<float> random_vector(std::int64_t count) {
  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& value : values) value = normal(generator);
  return values;
}

std::vector<float> attend(Sequence& sequence, const HeadGroup& group, std::int64_t kv_head,
                          const float* queries) {
  const std::int64_t splits = (sequence.tokens + kSplitTokens - 1) / kSplitTokens;
  std::vector<float> partials(static_cast<std::size_t>(splits * partial_floats(group)), NAN);
  for (std::int64_t i = 0; i < splits; ++i) {
    const KvSplit split{sequence.blocks.data() + i * (kSplitTokens / Sequence::kBlock),
                        sequence.offset(false, kv_head), sequence.offset(true, kv_head),
                        std::min(kSplitTokens, sequence.tokens - i * kSplitTokens)};
    attend_split(group, queries, split, partials.data() + i * partial_floats(group));
  }
  std::vector<float> out(static_cast<std::size_t>(group.heads * group.head_dim), NAN);
  merge_splits(group, partials.data(), splits, out.data());
  return out;
}

// Softmax attention in double, in one piece.
std::vector<double> oracle(Sequence& sequence, const HeadGroup& group, std::int64_t kv_head,
                           const float* queries) {
  std::vector<double> out;
  for (std::int64_t head = 0; head < group.heads; ++head) {
    std::vector<double> weights;
    double largest = -INFINITY;
    for (std::int64_t t = 0; t < sequence.tokens; ++t) {
      double score = 0;
      for (std::int64_t d = 0; d < group.head_dim; ++d) {
        score += queries[head * group.head_dim + d] * sequence.at(false, kv_head, t, d);
      }
      weights.push_back(score * group.scale);
      largest = std::max(largest, weights.back());
    }
    double total = 0;
    for (double& weight : weights) total += weight = std::exp(weight - largest);
    for (std::int64_t d = 0; d < group.head_dim; ++d) {
      double sum = 0;
      for (std::int64_t t = 0; t < sequence.tokens; ++t) {
        sum += weights[static_cast<std::size_t>(t)] * sequence.at(true, kv_head, t, d);
      }
      out.push_back(sum / total);
    }
  }
  return out;
}

struct Case {
  DType dtype;
  std::int64_t heads, head_dim, tokens;
  double magnitude;
};

TEST(DecodeAttention, AgreesWithSoftmaxInDouble) {
  const Case cases[] = {
      {DType::kBF16, 3, 64, 1, 1},   {DType::kBF16, 3, 64, 31, 1},  {DType::kBF16, 3, 64, 300, 1},
      {DType::kF32, 3, 64, 129, 1},  {DType::kBF16, 1, 128, 40, 1}, {DType::kF32, 8, 80, 65, 1},
      {DType::kBF16, 5, 18, 200, 1}, {DType::kF32, 2, 6, 256, 1},   {DType::kF32, 4, 64, 400, 60},
  };
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    for (const Case& one : cases) {
      Sequence sequence(one.dtype, 2, one.head_dim, one.tokens, one.magnitude);
      const HeadGroup group{one.dtype, one.heads, one.head_dim, Sequence::kBlock,
                            static_cast<float>(1 / std::sqrt(one.head_dim))};
      const auto queries = random_vector(one.heads * one.head_dim);
      for (const std::int64_t kv_head : {0, 1}) {
        const auto out = attend(sequence, group, kv_head, queries.data());
        const auto expected = oracle(sequence, group, kv_head, queries.data());
        for (std::size_t i = 0; i < out.size(); ++i) {
          // Scores of magnitude s are off by about s * 2^-23, and so are their exponentials.
          ASSERT_NEAR(out[i], expected[i], 3e-6 * one.magnitude * one.magnitude)
              << hwy::TargetName(target) << " heads " << one.heads << " width " << one.head_dim
              << " tokens " << one.tokens << " at " << i;
        }
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(DecodeAttention, HugeScoresDoNotOverflow) {
  Sequence sequence(DType::kF32, 1, 16, 200, 1e4);
  const HeadGroup group{DType::kF32, 1, 16, Sequence::kBlock, 1.0F};
  const auto queries = random_vector(16);
  for (const float value : attend(sequence, group, 0, queries.data())) {
    EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(DecodeAttentionDeathTest, RefusesASplitThatIsTooLong) {
  Sequence sequence(DType::kF32, 1, 16, 160, 1);
  const HeadGroup group{DType::kF32, 1, 16, Sequence::kBlock, 1.0F};
  std::vector<float> partial(static_cast<std::size_t>(partial_floats(group)));
  const auto queries = random_vector(16);
  EXPECT_DEATH(
      attend_split(group, queries.data(), {sequence.blocks.data(), 0, 0, 129}, partial.data()),
      "1 to 128 tokens");
}

}  // namespace
}  // namespace sluice::kernels
