// SPDX-License-Identifier: Apache-2.0
// Attention of one query token over keys and values kept in blocks of tokens.
//
// The tokens are cut into splits of a fixed length: each gives a partial result, on whatever thread
// has time, and merging them in order gives the answer. The cut depends on nothing but the
// positions, so neither the number of threads nor other sequences change a bit of it.
// Method: Milakov and Gimelshein, Online normalizer calculation for softmax, 2018, section 3; cut
// along the tokens as in Dao et al., Flash-Decoding for long-context inference, 2023.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {

// Query heads that share one head of keys and values.
struct HeadGroup {
  DType dtype = DType::kBF16;  // of keys and values: kBF16 or kF32
  std::int64_t heads = 1;      // of queries
  std::int64_t head_dim = 0;
  std::int64_t block_tokens = 0;
  float scale = 1.0F;  // on the scores: 1 / sqrt(head_dim)
};

// `tokens` consecutive tokens of one sequence, from the first token of blocks[0] on.
struct KvSplit {
  const std::byte* const* blocks = nullptr;  // the start of each block
  std::size_t key_offset = 0;                // bytes from a block's start to this head's keys
  std::size_t value_offset = 0;  // ... values; each [block_tokens][head_dim], aligned for dtype
  std::int64_t tokens = 0;       // 1 to kSplitTokens
};

// Short enough that a few hundred tokens keep several cores busy, long enough to hide the merge.
inline constexpr std::int64_t kSplitTokens = 128;

// Floats of one partial result: per head its largest score, the sum of exponentials relative to
// it, and head_dim sums of values so weighted.
inline std::int64_t partial_floats(const HeadGroup& group) {
  return group.heads * (group.head_dim + 2);
}

// `queries`: [heads][head_dim]. `partial`: partial_floats(group).
void attend_split(const HeadGroup& group, const float* queries, const KvSplit& split,
                  float* partial);

// `partials`: one for each of `splits` >= 1 splits, in order of tokens, one after another.
// `out`: [heads][head_dim].
void merge_splits(const HeadGroup& group, const float* partials, std::int64_t splits, float* out);

}  // namespace sluice::kernels
