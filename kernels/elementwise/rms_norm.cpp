// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/rms_norm.hpp"

#include <cmath>
#include <cstddef>

#include "kernels/core/check.hpp"
#include "kernels/elementwise/parallel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/rms_norm.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/elementwise/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {

template <class T>
HWY_INLINE float sum_of_squares(const T* x, std::size_t width) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * lanes <= width; i += 2 * lanes) {
    const auto a = load(d, x + i);
    const auto b = load(d, x + i + lanes);
    sum0 = hn::MulAdd(a, a, sum0);
    sum1 = hn::MulAdd(b, b, sum1);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  const hn::CappedTag<float, 1> d1;
  for (; i < width; ++i) {
    const float value = hn::GetLane(load(d1, x + i));
    sum += value * value;
  }
  return sum;
}

template <class X, class Out>
HWY_INLINE void normalize(const RmsNorm& norm, const X* x, Out* out) {
  const auto width = static_cast<std::size_t>(norm.width);
  const float mean = sum_of_squares(x, width) / static_cast<float>(width);
  const float scale = 1.0F / std::sqrt(mean + norm.epsilon);
  for_elements(width, [&](auto d, std::size_t i) HWY_ATTR {
    const auto scaled = hn::Mul(load(d, x + i), hn::Set(d, scale));
    store(d, hn::Mul(scaled, load(d, norm.weight + i)), out + i);
  });
}

template <class X>
HWY_INLINE void normalize_to(const RmsNorm& norm, const X* x, const Rows& out, std::int64_t row) {
  if (out.dtype == DType::kF32) {
    normalize(norm, x, static_cast<float*>(out.data) + row * out.stride);
  } else {
    normalize(norm, x, static_cast<std::uint16_t*>(out.data) + row * out.stride);
  }
}

template <class Delta, class Residual>
HWY_INLINE void add(const Delta* delta, Residual* residual, std::size_t width) {
  for_elements(width, [&](auto d, std::size_t i) HWY_ATTR {
    store(d, hn::Add(load(d, residual + i), load(d, delta + i)), residual + i);
  });
}

template <class Residual>
HWY_INLINE void add_any(const ConstRows& delta, std::int64_t row, Residual* residual,
                        std::size_t width) {
  if (delta.dtype == DType::kF32) {
    add(static_cast<const float*>(delta.data) + row * delta.stride, residual, width);
  } else {
    add(static_cast<const std::uint16_t*>(delta.data) + row * delta.stride, residual, width);
  }
}

// One row; `delta` may be null.
void norm_row(const RmsNorm& norm, const ConstRows* delta, const Rows& x, const Rows& out,
              std::int64_t row) {
  const auto width = static_cast<std::size_t>(norm.width);
  if (x.dtype == DType::kF32) {
    float* values = static_cast<float*>(x.data) + row * x.stride;
    if (delta != nullptr) add_any(*delta, row, values, width);
    normalize_to(norm, values, out, row);
  } else {
    std::uint16_t* values = static_cast<std::uint16_t*>(x.data) + row * x.stride;
    if (delta != nullptr) add_any(*delta, row, values, width);
    normalize_to(norm, values, out, row);
  }
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
HWY_EXPORT(norm_row);

namespace {
bool is_plain(DType dtype) { return dtype == DType::kF32 || dtype == DType::kBF16; }
}  // namespace

void rms_norm(const RmsNorm& norm, std::int64_t rows, ConstRows x, Rows out) {
  SLUICE_CHECK(is_plain(x.dtype) && is_plain(out.dtype), "activations are FP32 or BF16");
  // Without a delta norm_row only reads its input.
  const Rows input{const_cast<void*>(x.data), x.dtype, x.stride};
  const auto run = HWY_DYNAMIC_DISPATCH(norm_row);
  parallel_ranges(rows, norm.width, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) run(norm, nullptr, input, out, row);
  });
}

void add_rms_norm(const RmsNorm& norm, std::int64_t rows, ConstRows delta, Rows residual,
                  Rows out) {
  SLUICE_CHECK(is_plain(delta.dtype) && is_plain(residual.dtype) && is_plain(out.dtype),
               "activations are FP32 or BF16");
  const auto run = HWY_DYNAMIC_DISPATCH(norm_row);
  parallel_ranges(rows, norm.width, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) run(norm, &delta, residual, out, row);
  });
}

}  // namespace sluice::kernels
#endif
