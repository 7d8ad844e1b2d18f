// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/silu_mul.hpp"

#include <cstddef>

#include "kernels/core/check.hpp"
#include "kernels/elementwise/parallel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/silu_mul.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/elementwise/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {

template <class In, class Out>
HWY_INLINE void gate_row(const In* gate, std::size_t width, Out* out) {
  constexpr float kLog2OfE = 1.4426950408889634F;
  for_elements(width, [&](auto d, std::size_t i) HWY_ATTR {
    const auto x = load(d, gate + i);
    const auto up = load(d, gate + width + i);
    // exp(-x), cut where x / (1 + exp(-x)) is below 1e-36 anyway.
    const auto power = hn::Min(hn::Mul(x, hn::Set(d, -kLog2OfE)), hn::Set(d, 126.0F));
    const auto one = hn::Set(d, 1.0F);
    store(d, hn::Mul(hn::Div(x, hn::Add(one, exp2(d, power))), up), out + i);
  });
}

void gate_rows(std::int64_t width, const ConstRows& in, const Rows& out, std::int64_t row) {
  const auto count = static_cast<std::size_t>(width);
  if (in.dtype == DType::kF32) {
    gate_row(static_cast<const float*>(in.data) + row * in.stride, count,
             static_cast<float*>(out.data) + row * out.stride);
  } else {
    gate_row(static_cast<const std::uint16_t*>(in.data) + row * in.stride, count,
             static_cast<std::uint16_t*>(out.data) + row * out.stride);
  }
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
HWY_EXPORT(gate_rows);

void silu_mul(std::int64_t rows, std::int64_t width, ConstRows gate_up, Rows out) {
  SLUICE_CHECK(
      gate_up.dtype == out.dtype && (out.dtype == DType::kF32 || out.dtype == DType::kBF16),
      "both sides are FP32, or both BF16");
  const auto run = HWY_DYNAMIC_DISPATCH(gate_rows);
  parallel_ranges(rows, 2 * width, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) run(width, gate_up, out, row);
  });
}

}  // namespace sluice::kernels
#endif
