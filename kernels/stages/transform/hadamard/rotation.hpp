// SPDX-License-Identifier: Apache-2.0
// Rotating a plane's heads by Walsh-Hadamard, with or without random signs, and back.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/device_queue.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

class Rotation {
 public:
  // Heads are `head_dim` columns, or all of them if head_dim does not divide `columns`. A head of n
  // channels is rotated in blocks of the largest power of two that divides n.
  Rotation(std::int64_t columns, std::int64_t head_dim, bool has_signs, std::uint64_t seed);

  std::int64_t columns() const { return static_cast<std::int64_t>(before_.size()); }
  std::int64_t block() const { return block_; }

  // Orthonormal; exact up to FP32's rounding. The matrices may be the same.
  void forward(ConstMatrix from, Matrix to) const;
  void inverse(ConstMatrix from, Matrix to) const;
  // In a queue's memory; this object stays until its wait().
  Status forward_on(DeviceQueue& queue, ConstMatrix from, Matrix to) const;
  Status inverse_on(DeviceQueue& queue, ConstMatrix from, Matrix to) const;

 private:
  std::int64_t block_;
  std::vector<float> before_;  // sign / sqrt(block), by column
  std::vector<float> norm_;    // 1 / sqrt(block)
  std::vector<float> signs_;   // empty: none
};

}  // namespace sluice::kernels
