// SPDX-License-Identifier: Apache-2.0
#include "kernels/linear/elementwise.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>

// Scalable vectors cannot be kept in arrays, as kernels beside this one do: same targets for all.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/linear/elementwise.cpp"
// foreach_target.h comes first: it includes this file again for each target.
// clang-format off
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "hwy/contrib/math/math-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<float, 16>;

void rms_norm_target(const float* x, const float* weight, std::size_t count, double epsilon,
                     float* out) {
  const Tag tag;
  const std::size_t lanes = hn::Lanes(tag);
  auto sums = hn::Zero(tag);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::LoadU(tag, x + i);
    sums = hn::MulAdd(value, value, sums);
  }
  double sum = hn::GetLane(hn::SumOfLanes(tag, sums));
  for (; i < count; ++i) sum += static_cast<double>(x[i]) * x[i];
  const auto factor =
      static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(count) + epsilon));
  const auto factors = hn::Set(tag, factor);
  i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto scaled = hn::Mul(hn::LoadU(tag, x + i), factors);
    hn::StoreU(hn::Mul(scaled, hn::LoadU(tag, weight + i)), tag, out + i);
  }
  for (; i < count; ++i) out[i] = x[i] * factor * weight[i];
}

template <class D>
HWY_INLINE hn::Vec<D> silu(D tag, hn::Vec<D> gate) {
  const auto one = hn::Set(tag, 1.0F);
  // Beyond 87 the exponential leaves FP32's normal range and the quotient is zero either way.
  const auto bounded = hn::Min(hn::Neg(gate), hn::Set(tag, 87.0F));
  return hn::Div(gate, hn::Add(one, hn::Exp(tag, bounded)));
}

void silu_multiply_target(float* gate, const float* up, std::size_t count) {
  const Tag tag;
  const std::size_t lanes = hn::Lanes(tag);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = silu(tag, hn::LoadU(tag, gate + i));
    hn::StoreU(hn::Mul(value, hn::LoadU(tag, up + i)), tag, gate + i);
  }
  const hn::CappedTag<float, 1> one_lane;
  for (; i < count; ++i) {
    gate[i] = hn::GetLane(silu(one_lane, hn::Set(one_lane, gate[i]))) * up[i];
  }
}

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(rms_norm_target);
HWY_EXPORT(silu_multiply_target);

void rms_norm(const float* x, const float* weight, std::int64_t count, double epsilon, float* out) {
  HWY_DYNAMIC_DISPATCH(rms_norm_target)
  (x, weight, static_cast<std::size_t>(count), epsilon, out);
}

void silu_multiply(float* gate, const float* up, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(silu_multiply_target)(gate, up, static_cast<std::size_t>(count));
}

void rotate_pairs(float* head, const float* cosines, const float* sines, std::int64_t pairs,
                  PairLayout layout) {
  const std::int64_t step = layout == PairLayout::kInterleaved ? 2 : 1;
  const std::int64_t partner = layout == PairLayout::kInterleaved ? 1 : pairs;
  for (std::int64_t i = 0; i < pairs; ++i) {
    float& first = head[i * step];
    float& second = head[i * step + partner];
    const float turned = first * cosines[i] - second * sines[i];
    second = first * sines[i] + second * cosines[i];
    first = turned;
  }
}

}  // namespace sluice::kernels
#endif
