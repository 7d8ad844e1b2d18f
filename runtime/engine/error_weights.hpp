// SPDX-License-Identifier: Apache-2.0
// What an error in a cache costs the answer: the Fisher information of K and V, layer by layer.
//
// For a small error e of a token's K (before RoPE) or V in one layer, the divergence between the
// answers' distributions grows as e' M e. M is the mean of g g' over gradients g of the negative
// log-likelihood of tokens drawn from the model itself: the Fisher information, so no labels are
// needed (Amari, Natural gradient works efficiently in learning, 1998, section 2). Compression that
// makes errors in M's metric small keeps answers; layers and directions nobody reads cost nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

// By layer: [width][width], symmetric, width = kv_heads * head_dim. In one unit for all: the mean
// of all diagonals is 1.
struct ErrorWeights {
  std::vector<std::vector<float>> key;
  std::vector<std::vector<float>> value;
};

class ErrorWeightMeter {
 public:
  virtual ~ErrorWeightMeter() = default;

  // Holds the weights in FP32.
  static Result<std::unique_ptr<ErrorWeightMeter>> create(const ModelFile& model);

  // The cache of a text (by layer, BF16 pages that hold positions [0, context_tokens)) and what
  // follows it: `continuation` tokens from position context_tokens on. `seed`: of the tokens drawn.
  virtual Status observe(std::span<const kernels::KvPages> pages, std::int64_t context_tokens,
                         std::span<const TokenId> continuation, std::uint64_t seed) = 0;

  // kInvalidArgument if nothing was observed.
  virtual Result<ErrorWeights> finish() const = 0;
};

}  // namespace sluice::runtime
