// SPDX-License-Identifier: Apache-2.0
// Rows of random activations for tests, in either type, with the FP32 values they hold.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "kernels/elementwise/rows.hpp"

namespace sluice::kernels {

class TestRows {
 public:
  TestRows(std::int64_t rows, std::int64_t width, DType dtype, unsigned seed = 1)
      : rows_(rows),
        width_(width),
        dtype_(dtype),
        wide_(static_cast<std::size_t>(rows * stride())),
        narrow_(wide_.size()) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < wide_.size(); ++i) {
      const float value = normal(generator);
      narrow_[i] = bf16_from_f32(value);
      wide_[i] = value;
    }
  }

  std::int64_t stride() const { return width_ + 3; }  // neighbours must not be touched
  Rows view() {
    void* data = dtype_ == DType::kF32 ? static_cast<void*>(wide_.data()) : narrow_.data();
    return {data, dtype_, stride()};
  }
  double at(std::int64_t row, std::int64_t column) const {
    const auto i = static_cast<std::size_t>(row * stride() + column);
    return dtype_ == DType::kF32 ? wide_[i] : f32_from_bf16(narrow_[i]);
  }
  // How far a rounded `value` may be from it.
  double tolerance(double value) const {
    const double magnitude = value < 0 ? -value : value;
    return (dtype_ == DType::kF32 ? 1e-5 : 0x1p-8) * (magnitude + 1e-3);
  }

 private:
  std::int64_t rows_;
  std::int64_t width_;
  DType dtype_;
  std::vector<float> wide_;
  std::vector<std::uint16_t> narrow_;
};

}  // namespace sluice::kernels
