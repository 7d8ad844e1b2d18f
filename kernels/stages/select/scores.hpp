// SPDX-License-Identifier: Apache-2.0
// What selection wants to know from prefill, and what prefill found, layer by layer.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

// The union over a pipeline's select stages.
struct ScoreNeeds {
  // Attention mass that the prompt's last `window_tokens` tokens put on each token (q2c: the
  // question; SnapKV, NACL: the window; TOVA: 1).
  std::int64_t window_tokens = 0;
  bool question = false;     // the window is the request's question span where it is known
  bool accumulated = false;  // mass that all tokens put on each token (H2O)
  bool expected = false;     // Expected Attention's score
  bool queries = false;      // the window's queries themselves (DSA's indexer)
  bool similarity = false;   // of the residual stream before and after attention (Squeeze)

  bool any() const { return window_tokens > 0 || accumulated || expected || queries || similarity; }
};

// Of one layer. Empty vectors: not asked for. Shapes are [kv_heads][tokens] unless said otherwise.
struct LayerScores {
  std::int64_t tokens = 0;
  std::int64_t kv_heads = 0;
  std::int64_t window_first = 0;   // first token of the window or question
  std::vector<float> window;       // sum over the window's queries and the heads that share K
  std::vector<float> accumulated;  // the same over all queries i >= t
  std::vector<float> expected;
  std::vector<float> queries;  // [window][heads][head_dim], after RoPE
  float similarity = 0.0F;     // mean cosine over tokens, in [-1, 1]
};

}  // namespace sluice::kernels
