// SPDX-License-Identifier: Apache-2.0
// Attention of a chunk over a paged cache on a CPU: flash attention (arXiv 2205.14135) around
// oneDNN's block matrix products, which LibTorch offers below its own attention. Reads K and V as
// the cache holds them, shares each K and V head among its queries, and skips what causality hides;
// a token's result does not depend on the chunk it came in.
#pragma once

#include <cstdint>

#include "kernels/elementwise/kv_rows.hpp"
#include "kernels/elementwise/rows.hpp"

namespace sluice::runtime {

struct AttentionChunk {
  kernels::KvPages pages;  // hold positions [0, first_token + tokens) of this layer
  std::int64_t first_token = 0;
  std::int64_t tokens = 0;
  std::int64_t heads = 0;      // of queries
  kernels::ConstRows queries;  // after RoPE; a row is a token's heads one after another
  kernels::Rows out;           // the same shape
  // Null, or [tokens][heads]: the natural logarithm of the sum of exp(q . k / sqrt(head_dim)).
  float* lse = nullptr;
};

// Whether the products can be of BF16 here (AVX512 or AMX); else `is_bf16` below must be false.
bool has_bf16_attention();

// `is_bf16`: keys, values and attention weights enter the products as BF16, else as FP32; sums are
// FP32 either way. Throws what LibTorch throws.
void attend_chunk(const AttentionChunk& chunk, bool is_bf16);

}  // namespace sluice::runtime
