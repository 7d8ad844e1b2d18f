// SPDX-License-Identifier: Apache-2.0
// The lanes a kernel body runs on: one body serves the CPU and the GPU, with equal results.
//
// A body is a trivially copyable struct of pointers and sizes with one call operator, templated on
// the block. A grid runs it once for each index in [0, grid). Inside, lanes meet only in the
// block's verbs. Both blocks have 32 lanes and add in the same order, so a body gives the same bits
// on both (no contraction: the build passes --fmad=false to nvcc).
//
// The functions given to verbs are pure in their index: they see no other lane's writes of the
// same verb. Every verb ends in a barrier, so the next verb sees all of them.
#pragma once

#include <cstdint>

#include "kernels/core/dtype.hpp"

namespace sluice {

inline constexpr int kBlockLanes = 32;

// Lanes as a loop, on the thread that calls.
class HostBlock {
 public:
  SLUICE_HOST_DEVICE explicit HostBlock(std::int64_t index) : index_(index) {}

  SLUICE_HOST_DEVICE std::int64_t index() const { return index_; }

  // visit(i) for every i in [0, count).
  template <class Visit>
  SLUICE_HOST_DEVICE void each(std::int64_t count, Visit visit) const {
    for (std::int64_t i = 0; i < count; ++i) visit(i);
  }

  // The sum of value(i): 32 partial sums, lane by lane, then halves onto halves.
  template <class Value>
  SLUICE_HOST_DEVICE float reduce_sum(std::int64_t count, Value value) const {
    return reduce(count, 0.0F, value, [](float a, float b) { return a + b; });
  }

  // The largest value(i), at least `least`. No NaN among the values.
  template <class Value>
  SLUICE_HOST_DEVICE float reduce_max(std::int64_t count, float least, Value value) const {
    return reduce(count, least, value, [](float a, float b) { return a < b ? b : a; });
  }

  // place(i, sum of value(j) for j < i) for every i; returns the whole sum. 32 bits, unsigned.
  template <class Value, class Place>
  SLUICE_HOST_DEVICE std::uint32_t scan(std::int64_t count, Value value, Place place) const {
    std::uint32_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint32_t here = value(i);
      place(i, sum);
      sum += here;
    }
    return sum;
  }

  // Bit i says whether is_true(i), for i in [0, 32).
  template <class IsTrue>
  SLUICE_HOST_DEVICE std::uint32_t ballot(IsTrue is_true) const {
    std::uint32_t bits = 0;
    for (int lane = 0; lane < kBlockLanes; ++lane) {
      bits |= static_cast<std::uint32_t>(static_cast<bool>(is_true(lane))) << lane;
    }
    return bits;
  }

 private:
  template <class Value, class Join>
  SLUICE_HOST_DEVICE float reduce(std::int64_t count, float start, Value value, Join join) const {
    float lanes[kBlockLanes];
    for (int lane = 0; lane < kBlockLanes; ++lane) {
      lanes[lane] = start;
      for (std::int64_t i = lane; i < count; i += kBlockLanes) {
        lanes[lane] = join(lanes[lane], value(i));
      }
    }
    for (int half = kBlockLanes / 2; half > 0; half /= 2) {
      for (int lane = 0; lane < half; ++lane) lanes[lane] = join(lanes[lane], lanes[lane + half]);
    }
    return lanes[0];
  }

  std::int64_t index_;
};

// Runs a body on the CPU: one HostBlock after another.
template <class Body>
void run_on_host(std::int64_t grid, const Body& body) {
  for (std::int64_t index = 0; index < grid; ++index) body(HostBlock(index));
}

#if defined(__CUDACC__)

// Lanes as the threads of one warp, which is one CUDA thread block.
class CudaBlock {
 public:
  __device__ explicit CudaBlock(std::int64_t index)
      : index_(index), lane_(static_cast<int>(threadIdx.x)) {}

  __device__ std::int64_t index() const { return index_; }

  template <class Visit>
  __device__ void each(std::int64_t count, Visit visit) const {
    for (std::int64_t i = lane_; i < count; i += kBlockLanes) visit(i);
    __syncwarp();
  }

  template <class Value>
  __device__ float reduce_sum(std::int64_t count, Value value) const {
    return reduce(count, 0.0F, value, [](float a, float b) { return a + b; });
  }

  template <class Value>
  __device__ float reduce_max(std::int64_t count, float least, Value value) const {
    return reduce(count, least, value, [](float a, float b) { return a < b ? b : a; });
  }

  template <class Value, class Place>
  __device__ std::uint32_t scan(std::int64_t count, Value value, Place place) const {
    std::uint32_t before = 0;
    for (std::int64_t first = 0; first < count; first += kBlockLanes) {
      const std::int64_t i = first + lane_;
      const std::uint32_t here = i < count ? value(i) : 0;
      std::uint32_t sum = here;
      for (int step = 1; step < kBlockLanes; step *= 2) {
        const std::uint32_t left = __shfl_up_sync(kAllLanes, sum, static_cast<unsigned>(step));
        if (lane_ >= step) sum += left;
      }
      if (i < count) place(i, before + sum - here);
      before += __shfl_sync(kAllLanes, sum, kBlockLanes - 1);
    }
    __syncwarp();
    return before;
  }

  template <class IsTrue>
  __device__ std::uint32_t ballot(IsTrue is_true) const {
    return __ballot_sync(kAllLanes, static_cast<int>(static_cast<bool>(is_true(lane_))));
  }

 private:
  static constexpr unsigned kAllLanes = 0xffffffffU;

  // Lane l takes in lane l + half, as on the CPU; lane 0's result goes to all.
  template <class Value, class Join>
  __device__ float reduce(std::int64_t count, float start, Value value, Join join) const {
    float mine = start;
    for (std::int64_t i = lane_; i < count; i += kBlockLanes) mine = join(mine, value(i));
    for (int half = kBlockLanes / 2; half > 0; half /= 2) {
      mine = join(mine, __shfl_down_sync(kAllLanes, mine, static_cast<unsigned>(half)));
    }
    const float result = __shfl_sync(kAllLanes, mine, 0);
    __syncwarp();
    return result;
  }

  std::int64_t index_;
  int lane_;
};

// A grid of any size on as many thread blocks as the launch has.
template <class Body>
__global__ void cuda_grid(std::int64_t grid, Body body) {
  for (std::int64_t index = blockIdx.x; index < grid; index += gridDim.x) body(CudaBlock(index));
}

#endif

}  // namespace sluice
