// SPDX-License-Identifier: Apache-2.0
// What a Scratch holds: memory that grows to what a layer needs and stays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "kernels/core/bytes.hpp"
#include "kernels/core/device_queue.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

// Uninitialised elements; what it held is lost when it grows by need(), kept by extend().
template <class T>
class GrowingArray {
 public:
  T* need(std::size_t count) {
    if (count > capacity_) {
      data_.reset();  // first: two at once would be twice the memory
      data_ = std::make_unique_for_overwrite<T[]>(count);
      capacity_ = count;
    }
    return data_.get();
  }
  T* extend(std::size_t kept, std::size_t more) {
    if (kept + more > capacity_) {
      const std::size_t capacity = std::max(kept + more, 2 * capacity_);
      auto grown = std::make_unique_for_overwrite<T[]>(capacity);
      if (kept > 0) std::memcpy(grown.get(), data_.get(), kept * sizeof(T));
      data_ = std::move(grown);
      capacity_ = capacity;
    }
    return data_.get() + kept;
  }
  T* data() const { return data_.get(); }

 private:
  std::unique_ptr<T[]> data_;
  std::size_t capacity_ = 0;
};

struct Scratch::Buffers {
  // Rows before and after a stage, in turns: K or V of a layer, or tiles of it.
  GrowingArray<float> rows[2];
  GrowingArray<float> tiles[2];
  GrowingArray<std::uint8_t> symbols;
  GrowingArray<std::byte> side;
  // Of the last frame whose pages were a device's. A test may leave a host queue here: it then
  // stands for every device.
  std::unique_ptr<DeviceQueue> queue;
};

}  // namespace sluice::kernels
