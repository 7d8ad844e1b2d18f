// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (arXiv 2104.09864) of the heads of a chunk of tokens, in place.
#pragma once

#include <cstdint>

#include "kernels/elementwise/rows.hpp"

namespace sluice::kernels {

struct RopeChunk {
  bool is_interleaved = false;  // pairs (2i, 2i + 1); else (i, i + pairs)
  std::int64_t tokens = 0;
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t pairs = 0;      // 2 * pairs <= head_dim: elements past them stay as they are
  const float* cos = nullptr;  // [tokens][pairs]
  const float* sin = nullptr;
};

// `x`: row t holds the heads of token t one after another.
void apply_rope(const RopeChunk& chunk, Rows x);

}  // namespace sluice::kernels
