// SPDX-License-Identifier: Apache-2.0
// Turning the pairs of a tile's heads by position * angle, for both blocks. One block per row.
#pragma once

#include <cstdint>

#include "kernels/core/block.hpp"
#include "kernels/stages/transform/unrope/cos_sin.hpp"

namespace sluice::kernels {

// All pointers are borrowed and of the memory where the task runs. Strides in elements.
struct UnropeTask {
  const float* from = nullptr;              // [rows][heads][head_dim]
  float* to = nullptr;                      // the same; may be `from`
  const std::int32_t* positions = nullptr;  // [rows]
  const double* radians = nullptr;          // [pairs], per position
  std::int64_t from_stride = 0;
  std::int64_t to_stride = 0;
  std::int64_t rows = 0;
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t pairs = 0;  // 2 * pairs <= head_dim: elements past them are copied
  double cosine_scale = 1;
  double sine_scale = 1;  // negative: turns back
  bool is_interleaved = false;
};

struct UnropeBody {
  UnropeTask task;

  // Lane l turns pairs l, l + 32, ... of every head: its cosine and sine are computed once.
  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const UnropeTask t = task;
    const float* from = t.from + block.index() * t.from_stride;
    float* to = t.to + block.index() * t.to_stride;
    const auto position = static_cast<double>(t.positions[block.index()]);
    block.each(t.pairs, [=](std::int64_t i) {
      const CosSin turn = cos_sin(position * t.radians[i]);
      const auto c = static_cast<float>(turn.cosine * t.cosine_scale);
      const auto s = static_cast<float>(turn.sine * t.sine_scale);
      const std::int64_t first = t.is_interleaved ? 2 * i : i;
      const std::int64_t second = t.is_interleaved ? 2 * i + 1 : i + t.pairs;
      for (std::int64_t head = 0; head < t.heads; ++head) {
        const float a = from[head * t.head_dim + first];
        const float b = from[head * t.head_dim + second];
        to[head * t.head_dim + first] = a * c - b * s;
        to[head * t.head_dim + second] = b * c + a * s;
      }
    });
    const std::int64_t rest = t.head_dim - 2 * t.pairs;
    block.each(t.heads * rest, [=](std::int64_t i) {
      const std::int64_t at = i / rest * t.head_dim + 2 * t.pairs + i % rest;
      to[at] = from[at];
    });
  }
};

}  // namespace sluice::kernels
