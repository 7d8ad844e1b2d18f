// SPDX-License-Identifier: Apache-2.0
// What scoring sees of prefill: the queries of some tokens in one layer, what their attention
// summed to, and the keys they saw. With these a score needs no matrix of tokens by tokens.
#pragma once

#include <cstdint>

#include "kernels/elementwise/kv_rows.hpp"
#include "kernels/elementwise/rows.hpp"

namespace sluice::kernels {

// Borrowed, for the length of the call that hands it over.
struct LayerQueries {
  std::int64_t layer = 0;
  std::int64_t first_token = 0;  // queries of positions [first_token, last_token); may be none
  std::int64_t last_token = 0;
  std::int64_t heads = 0;  // of queries
  ConstRows queries;       // after RoPE; a row is a token's heads one after another
  // [last_token - first_token][heads]: the natural logarithm of the sum over keys t' <= t of
  // exp(q . k / sqrt(head_dim)). A weight of attention is exp(q . k / sqrt(head_dim) - lse).
  const float* lse = nullptr;
  KvPages pages;  // K and V of this layer at positions [0, last_token)
  // Sum of the cosines between the residual stream before and after the attention block, over
  // `similarity_tokens` tokens of this piece (0: not asked for).
  double similarity_sum = 0.0;
  std::int64_t similarity_tokens = 0;
};

}  // namespace sluice::kernels
