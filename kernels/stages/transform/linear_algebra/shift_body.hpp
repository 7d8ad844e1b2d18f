// SPDX-License-Identifier: Apache-2.0
// Rows with a vector taken away or added, for both blocks. One block of lanes per row.
#pragma once

#include <cstdint>

#include "kernels/core/block.hpp"
#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

enum class Shift : std::uint8_t { kNone, kMinus, kPlus };

// All pointers are borrowed and of the memory where the task runs; `to` may be `from`.
struct ShiftTask {
  ConstMatrix from;
  Matrix to;
  const float* vector = nullptr;  // [columns]; kNone has none
  Shift shift = Shift::kNone;
};

struct ShiftBody {
  ShiftTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const float* from = task.from.data + block.index() * task.from.stride;
    float* to = task.to.data + block.index() * task.to.stride;
    const float* vector = task.vector;
    const Shift shift = task.shift;
    block.each(task.from.columns, [=](std::int64_t c) {
      float value = from[c];
      if (shift == Shift::kMinus) value = value - vector[c];
      if (shift == Shift::kPlus) value = value + vector[c];
      to[c] = value;
    });
  }
};

}  // namespace sluice::kernels
