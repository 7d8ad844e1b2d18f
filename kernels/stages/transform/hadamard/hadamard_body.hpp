// SPDX-License-Identifier: Apache-2.0
// The Walsh-Hadamard transform of blocks of channels, for both blocks; one block of lanes per block
// of channels of a token. The order of the butterflies is the format's.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/core/block.hpp"

namespace sluice::kernels {

// from and to: rows * columns floats; they may be the same matrix. `size`, a power of two, divides
// columns. Value c is first multiplied by before[c], and at last by after[c] (null: not).
struct HadamardTask {
  const float* from = nullptr;
  std::int64_t from_stride = 0;
  float* to = nullptr;
  std::int64_t to_stride = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t size = 1;
  const float* before = nullptr;
  const float* after = nullptr;
};

// The largest power of two that divides a number above 0.
SLUICE_HOST_DEVICE inline std::int64_t power_of_two_within(std::int64_t number) {
  return number & -number;
}

// 1 / sqrt(size) for a power of two: 2^-k, with sqrt(1/2) rounded to FP32 for odd powers.
SLUICE_HOST_DEVICE inline float hadamard_norm(std::int64_t size) {
  float norm = 1.0F;
  for (; size >= 4; size /= 4) norm *= 0.5F;
  return size == 2 ? norm * 0x1.6a09e6p-1F : norm;
}

// Grid: rows * columns / size. Stage by stage, pairs half apart become their sum and difference.
struct HadamardBody {
  HadamardTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const std::int64_t blocks = task.columns / task.size;
    const std::int64_t row = block.index() / blocks;
    const std::int64_t first = block.index() % blocks * task.size;
    const float* from = task.from + row * task.from_stride + first;
    float* to = task.to + row * task.to_stride + first;
    const float* before = task.before + first;
    block.each(task.size, [=](std::int64_t i) { to[i] = from[i] * before[i]; });
    for (std::int64_t half = 1; half < task.size; half *= 2) {
      block.each(task.size / 2, [=](std::int64_t pair) {
        const std::int64_t low = pair / half * 2 * half + pair % half;
        const float a = to[low];
        const float b = to[low + half];
        to[low] = a + b;
        to[low + half] = a - b;
      });
    }
    if (task.after == nullptr) return;
    const float* after = task.after + first;
    block.each(task.size, [=](std::int64_t i) { to[i] = to[i] * after[i]; });
  }
};

}  // namespace sluice::kernels
