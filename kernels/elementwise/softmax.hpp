// SPDX-License-Identifier: Apache-2.0
// The softmax of attention in blocks of keys, with running maxima and sums (arXiv 1805.02867; as
// in flash attention, arXiv 2205.14135): what happens between the two block matrix products.
#pragma once

#include <cstdint>

#include "kernels/elementwise/rows.hpp"

namespace sluice::kernels {

// A tile of queries against one block of keys. Row r is a query of position first_query + r /
// queries_per_token; it attends to keys up to its own position.
struct SoftmaxBlock {
  std::int64_t rows = 0;
  std::int64_t first_query = 0;
  std::int64_t queries_per_token = 1;
  std::int64_t first_key = 0;
  std::int64_t keys = 0;          // columns of the block
  std::int64_t head_dim = 0;      // columns of `sums`
  float scale = 1.0F;             // on the scores
  const float* scores = nullptr;  // [rows][keys]
  void* weights = nullptr;        // [rows][keys]; may be `scores` when FP32
  DType weights_dtype = DType::kF32;
  float* maximum = nullptr;  // [rows], -infinity before the first block
  float* total = nullptr;    // [rows], 0 before the first block
  float* sums = nullptr;     // [rows][head_dim], rescaled to the new maximum
};

// weights = exp(scale * score - maximum), zero for keys past a query's position.
void softmax_block(const SoftmaxBlock& block);

// out row r = sums row r / total[r], for [0, rows).
void softmax_finish(const SoftmaxBlock& block, std::int64_t row, void* out, DType dtype);

}  // namespace sluice::kernels
