// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/softmax.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kernels/core/check.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/softmax.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/elementwise/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {

HWY_INLINE float maximum_of(const float* x, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  float result = x[0];
  std::size_t i = 0;
  if (count >= lanes) {
    auto most = hn::LoadU(d, x);
    for (i = lanes; i + lanes <= count; i += lanes) most = hn::Max(most, hn::LoadU(d, x + i));
    result = hn::GetLane(hn::MaxOfLanes(d, most));
  }
  for (; i < count; ++i) result = std::max(result, x[i]);
  return result;
}

// weights[i] = 2^((score[i] - maximum) * scale); their sum, before rounding. The difference comes
// first: it is exact where it matters, however large the scores are.
template <class T>
HWY_INLINE float exponentials(const float* scores, std::size_t count, float scale, float maximum,
                              T* weights) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto scales = hn::Set(d, scale);
  const auto most = hn::Set(d, maximum);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto e = exp2(d, hn::Mul(hn::Sub(hn::LoadU(d, scores + i), most), scales));
    store(d, e, weights + i);
    sum = hn::Add(sum, e);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  const hn::CappedTag<float, 1> d1;
  for (; i < count; ++i) {
    const auto x = hn::Set(d1, (scores[i] - maximum) * scale);
    const auto e = exp2(d1, x);
    store(d1, e, weights + i);
    total += hn::GetLane(e);
  }
  return total;
}

template <class T>
HWY_INLINE void softmax_row(const SoftmaxBlock& block, std::int64_t row, float scale) {
  const auto keys = static_cast<std::size_t>(block.keys);
  const float* scores = block.scores + row * block.keys;
  T* weights = static_cast<T*>(block.weights) + row * block.keys;
  const std::int64_t position = block.first_query + row / block.queries_per_token;
  const auto valid = static_cast<std::size_t>(
      std::clamp<std::int64_t>(position + 1 - block.first_key, 0, block.keys));
  if (valid > 0) {
    const float before = block.maximum[row];
    const float most = std::max(before, maximum_of(scores, valid));
    const float sum = exponentials(scores, valid, scale, most, weights);
    if (most > before) {
      const hn::CappedTag<float, 1> d1;
      const float shrink = hn::GetLane(exp2(d1, hn::Set(d1, (before - most) * scale)));
      float* sums = block.sums + row * block.head_dim;
      for_elements(static_cast<std::size_t>(block.head_dim), [&](auto d, std::size_t i) HWY_ATTR {
        store(d, hn::Mul(load(d, sums + i), hn::Set(d, shrink)), sums + i);
      });
      block.total[row] *= shrink;
      block.maximum[row] = most;
    }
    block.total[row] += sum;
  }
  std::memset(static_cast<void*>(weights + valid), 0, (keys - valid) * sizeof(T));
}

void softmax_rows(const SoftmaxBlock& block) {
  constexpr float kLog2OfE = 1.4426950408889634F;
  for (std::int64_t row = 0; row < block.rows; ++row) {
    if (block.weights_dtype == DType::kF32) {
      softmax_row<float>(block, row, block.scale * kLog2OfE);
    } else {
      softmax_row<std::uint16_t>(block, row, block.scale * kLog2OfE);
    }
  }
}

template <class T>
HWY_INLINE void divide(const float* sums, std::int64_t count, float total, T* out) {
  const float factor = 1.0F / total;
  for_elements(static_cast<std::size_t>(count), [&](auto d, std::size_t i) HWY_ATTR {
    store(d, hn::Mul(load(d, sums + i), hn::Set(d, factor)), out + i);
  });
}

void divide_row(const SoftmaxBlock& block, std::int64_t row, void* out, DType dtype) {
  const float* sums = block.sums + row * block.head_dim;
  if (dtype == DType::kF32) {
    divide(sums, block.head_dim, block.total[row], static_cast<float*>(out));
  } else {
    divide(sums, block.head_dim, block.total[row], static_cast<std::uint16_t*>(out));
  }
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
HWY_EXPORT(softmax_rows);
HWY_EXPORT(divide_row);

void softmax_block(const SoftmaxBlock& block) {
  SLUICE_CHECK(block.weights_dtype == DType::kF32 || block.weights_dtype == DType::kBF16,
               "weights are FP32 or BF16");
  HWY_DYNAMIC_DISPATCH(softmax_rows)(block);
}

void softmax_finish(const SoftmaxBlock& block, std::int64_t row, void* out, DType dtype) {
  HWY_DYNAMIC_DISPATCH(divide_row)(block, row, out, dtype);
}

}  // namespace sluice::kernels
#endif
