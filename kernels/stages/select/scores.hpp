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
  bool peak = false;         // the largest weight of the window too (QAQ)
  bool accumulated = false;  // mass that all tokens put on each token (H2O)
  bool expected = false;     // Expected Attention's estimate of the mass to come
  bool output_norm = false;  // with it, what values amount to behind the output projection
  bool queries = false;      // the window's queries themselves (DSA's indexer)
  bool similarity = false;   // of the residual stream before and after attention (Squeeze)
  // What repeating the prompt needs (KVzip): from a second pass, not from prefill itself.
  bool reconstruction = false;

  bool any() const {
    return window_tokens > 0 || accumulated || expected || queries || similarity || reconstruction;
  }

  // Also what another stage wants. Windows differ by stage: the largest wins, and a stage that
  // wanted another one refuses it.
  void join(const ScoreNeeds& other) {
    window_tokens = window_tokens < other.window_tokens ? other.window_tokens : window_tokens;
    question |= other.question;
    peak |= other.peak;
    accumulated |= other.accumulated;
    expected |= other.expected;
    output_norm |= other.output_norm;
    queries |= other.queries;
    similarity |= other.similarity;
    reconstruction |= other.reconstruction;
  }
};

// Of one layer. Empty vectors: not asked for. Shapes are [kv_heads][tokens] unless said otherwise.
struct LayerScores {
  std::int64_t tokens = 0;
  std::int64_t kv_heads = 0;
  std::int64_t window_first = 0;   // first token of the window or question
  std::vector<float> window;       // sum over the window's queries and the heads that share K
  std::vector<float> peak;         // the largest weight of the window instead of the sum
  std::vector<float> accumulated;  // the sum over all queries i >= t
  // Expected Attention (arXiv 2510.00636): the share a of future attention, mean over the heads
  // that share K; `output_norm`: the mean of n = |W_O v|; `expected_output`: the mean of a * n.
  // The first tokens (sinks) are left out of the estimate and have 0.
  std::vector<float> expected;
  std::vector<float> expected_output;
  std::vector<float> output_norm;
  std::vector<float> reconstruction;  // the largest weight while the prompt is repeated
  std::vector<float> queries;         // [window][heads][head_dim], after RoPE
  float similarity = 0.0F;            // mean cosine over tokens, in [-1, 1]
};

}  // namespace sluice::kernels
