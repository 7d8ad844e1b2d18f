// SPDX-License-Identifier: Apache-2.0
// Rows of activations: a pointer, FP32 or BF16 elements, and the distance between rows.
#pragma once

#include <cstdint>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {

// Row i starts `stride` elements after row i - 1. The dtype is kF32 or kBF16, or calls abort.
struct ConstRows {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  std::int64_t stride = 0;
};

struct Rows {
  void* data = nullptr;
  DType dtype = DType::kF32;
  std::int64_t stride = 0;

  operator ConstRows() const { return {data, dtype, stride}; }  // NOLINT: implicit, only a view
};

}  // namespace sluice::kernels
