// SPDX-License-Identifier: Apache-2.0
// The attention that some queries pay to every key, from the queries' log-sums: in blocks of keys,
// without a matrix of queries by keys.
#pragma once

#include <cstdint>

#include "kernels/core/result.hpp"
#include "kernels/stages/select/layer_queries.hpp"

namespace sluice::kernels {

// Queries of positions [first_token, last_token) of one layer, and their effect on keys
// [0, last_token).
struct AttentionMass {
  KvPages pages;
  std::int64_t first_token = 0;
  std::int64_t last_token = 0;
  std::int64_t heads = 0;  // of queries; a multiple of pages.kv_heads
  ConstRows queries;       // the row of first_token is the first
  const float* lse = nullptr;
  // [kv_heads][stride], each null or added to (sum), or raised (peak); keys a query does not see
  // get nothing of it.
  float* sum = nullptr;
  float* peak = nullptr;
  std::int64_t stride = 0;  // at least last_token
};

// sum[kv_head][t] += exp(q . k / sqrt(head_dim) - lse) over queries in ascending order of token,
// then head: what comes of several calls does not depend on where queries were cut, nor on the
// number of OpenMP threads. FP32; the last bits depend on the CPU's vectors.
void add_attention_mass(const AttentionMass& mass);

// The same on the GPU for one layer whose pages, queries and sums are device memory.
//   queries: [tokens][heads][head_dim] FP32; lse: [tokens][heads]; sum: [kv_heads][stride]
struct AttentionMassTask {
  const std::byte* const* pages = nullptr;
  std::int64_t block_tokens = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  bool pages_are_f32 = false;
  std::int64_t first_token = 0;
  std::int64_t last_token = 0;
  std::int64_t heads = 0;
  const float* queries = nullptr;
  const float* lse = nullptr;
  float* sum = nullptr;
  std::int64_t stride = 0;
};

// Queued on `stream` (a cudaStream_t; nullptr is the default one). kUnsupported in a build without
// CUDA, kInternal with CUDA's words when the launch fails.
Status add_attention_mass_on_cuda(const AttentionMassTask& task, void* stream);

}  // namespace sluice::kernels
