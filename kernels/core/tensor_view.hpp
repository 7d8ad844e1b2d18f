// SPDX-License-Identifier: Apache-2.0
// A borrowed tensor: a pointer, an element type and a shape. Owns nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/core/dtype.hpp"

namespace sluice {

inline constexpr int kTensorRankMax = 4;

// Row-major and dense: shape[rank-1] varies fastest. For block types a row is whole blocks.
struct TensorView {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  int rank = 0;
  std::array<std::int64_t, kTensorRankMax> shape{};

  std::int64_t elements() const {
    std::int64_t count = 1;
    for (int axis = 0; axis < rank; ++axis) count *= shape[static_cast<std::size_t>(axis)];
    return count;
  }
  std::size_t bytes() const {
    return static_cast<std::size_t>(elements()) / dtype_block_elements(dtype) *
           dtype_block_bytes(dtype);
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
};

}  // namespace sluice
