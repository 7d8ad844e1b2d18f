// SPDX-License-Identifier: Apache-2.0
// A matrix product for both blocks: one block for a tile of kRows rows and 32 columns of `out`.
#pragma once

#include <cstdint>

#include "kernels/core/block.hpp"
#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

// out [R][C] = a [R][K] times b, which is [K][C]; or [C][K] if it is transposed. All pointers are
// borrowed and of the memory where the task runs.
struct MultiplyTask {
  ConstMatrix a;
  ConstMatrix b;
  Matrix out;
  bool b_is_transposed = false;
};

template <int kRows>
struct MultiplyBody {
  MultiplyTask task;

  SLUICE_HOST_DEVICE std::int64_t column_tiles() const {
    return (task.out.columns + kBlockLanes - 1) / kBlockLanes;
  }
  SLUICE_HOST_DEVICE std::int64_t grid() const {
    return (task.out.rows + kRows - 1) / kRows * column_tiles();
  }

  // Lane l adds up column l of the tile: one element of b serves kRows sums, neighbouring lanes
  // read neighbouring elements of b, and all lanes the same element of a.
  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const MultiplyTask t = task;
    const std::int64_t row = block.index() / column_tiles() * kRows;
    const std::int64_t first = block.index() % column_tiles() * kBlockLanes;
    const std::int64_t rows = t.out.rows - row < kRows ? t.out.rows - row : kRows;
    const std::int64_t columns =
        t.out.columns - first < kBlockLanes ? t.out.columns - first : kBlockLanes;
    const std::int64_t b_depth = t.b_is_transposed ? 1 : t.b.stride;
    const std::int64_t b_column = t.b_is_transposed ? t.b.stride : 1;
    block.each(columns, [=](std::int64_t lane) {
      float sums[kRows] = {};
      const float* b = t.b.data + (first + lane) * b_column;
      for (std::int64_t k = 0; k < t.a.columns; ++k, b += b_depth) {
        const float factor = *b;
        for (int r = 0; r < kRows; ++r) {
          // Rows past the last repeat it: their sums go nowhere.
          const std::int64_t from = r < rows ? row + r : row;
          const float product = t.a.data[from * t.a.stride + k] * factor;
          sums[r] = sums[r] + product;
        }
      }
      for (std::int64_t r = 0; r < rows; ++r)
        t.out.data[(row + r) * t.out.stride + first + lane] = sums[r];
    });
  }
};

// What the CUDA launcher runs; tests run it on the CPU.
using MultiplyTileBody = MultiplyBody<8>;

}  // namespace sluice::kernels
