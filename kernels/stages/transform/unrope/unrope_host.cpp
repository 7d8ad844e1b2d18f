// SPDX-License-Identifier: Apache-2.0
// The body's operations in vectors: pairs in FP64 lanes for the angles, in FP32 lanes for the turn.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/stages/transform/unrope/unrope_device.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/transform/unrope/unrope_host.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> rounded(D d, hn::Vec<D> x) {
  const auto large = hn::Set(d, CosSinConstants::kRound);
  return hn::Sub(hn::Add(x, large), large);
}

// factors[0] * x^(count - 1) + ... + factors[count - 1], by Horner's rule.
template <class D, std::size_t kCount>
HWY_INLINE hn::Vec<D> polynomial(D d, hn::Vec<D> x, const double (&factors)[kCount]) {
  auto sum = hn::Set(d, factors[0]);
  for (std::size_t i = 1; i < kCount; ++i) {
    sum = hn::Add(hn::Mul(sum, x), hn::Set(d, factors[i]));
  }
  return sum;
}

// cos_sin() of as many angles as the tag has lanes.
template <class D>
HWY_INLINE void cos_sin_lanes(D d, hn::Vec<D> angle, hn::Vec<D>& cosine, hn::Vec<D>& sine) {
  using C = CosSinConstants;
  const auto x = hn::IfThenElseZero(hn::Le(hn::Abs(angle), hn::Set(d, C::kAngleMax)), angle);
  const auto turns = rounded(d, hn::Mul(x, hn::Set(d, C::kTwoOverPi)));
  auto r = hn::Sub(x, hn::Mul(turns, hn::Set(d, C::kHalfPiFirst)));
  r = hn::Sub(r, hn::Mul(turns, hn::Set(d, C::kHalfPiSecond)));
  r = hn::Sub(r, hn::Mul(turns, hn::Set(d, C::kHalfPiThird)));
  const auto square = hn::Mul(r, r);
  const auto s = hn::Add(r, hn::Mul(hn::Mul(polynomial(d, square, C::kSine), square), r));
  const auto c = hn::Add(hn::Mul(polynomial(d, square, C::kCosine), square), hn::Set(d, 1.0));
  const auto quarter = hn::Sub(hn::Mul(turns, hn::Set(d, 0.25)), hn::Set(d, 0.375));
  const auto quadrant = hn::Sub(turns, hn::Mul(hn::Set(d, 4.0), rounded(d, quarter)));
  const auto is_0 = hn::Eq(quadrant, hn::Zero(d));
  const auto is_1 = hn::Eq(quadrant, hn::Set(d, 1.0));
  const auto is_2 = hn::Eq(quadrant, hn::Set(d, 2.0));
  const auto minus_c = hn::Neg(c);
  const auto minus_s = hn::Neg(s);
  cosine = hn::IfThenElse(is_0, c, hn::IfThenElse(is_1, minus_s, hn::IfThenElse(is_2, minus_c, s)));
  sine = hn::IfThenElse(is_0, s, hn::IfThenElse(is_1, c, hn::IfThenElse(is_2, minus_s, minus_c)));
}

template <class D>
HWY_INLINE void angles(D d, const UnropeTask& task, double position, std::size_t i, float* cosines,
                       float* sines) {
  const hn::Rebind<float, D> narrow;
  auto c = hn::Zero(d);
  auto s = hn::Zero(d);
  cos_sin_lanes(d, hn::Mul(hn::Set(d, position), hn::LoadU(d, task.radians + i)), c, s);
  hn::StoreU(hn::DemoteTo(narrow, hn::Mul(c, hn::Set(d, task.cosine_scale))), narrow, cosines + i);
  hn::StoreU(hn::DemoteTo(narrow, hn::Mul(s, hn::Set(d, task.sine_scale))), narrow, sines + i);
}

template <class D>
HWY_INLINE void turn(D d, bool is_interleaved, std::size_t pairs, std::size_t i, const float* from,
                     float* to, const float* cosines, const float* sines) {
  const auto c = hn::LoadU(d, cosines + i);
  const auto s = hn::LoadU(d, sines + i);
  auto a = hn::Zero(d);
  auto b = hn::Zero(d);
  if (is_interleaved) {
    hn::LoadInterleaved2(d, from + 2 * i, a, b);
  } else {
    a = hn::LoadU(d, from + i);
    b = hn::LoadU(d, from + pairs + i);
  }
  const auto first = hn::Sub(hn::Mul(a, c), hn::Mul(b, s));
  const auto second = hn::Add(hn::Mul(b, c), hn::Mul(a, s));
  if (is_interleaved) {
    hn::StoreInterleaved2(first, second, d, to + 2 * i);
  } else {
    hn::StoreU(first, d, to + i);
    hn::StoreU(second, d, to + pairs + i);
  }
}

void unrope_rows(const UnropeTask& task, float* cosines, float* sines) {
  const hn::ScalableTag<double> wide;
  const hn::ScalableTag<float> d;
  const hn::CappedTag<double, 1> wide_one;
  const hn::CappedTag<float, 1> one;
  const auto pairs = static_cast<std::size_t>(task.pairs);
  const auto head_dim = static_cast<std::size_t>(task.head_dim);
  for (std::int64_t row = 0; row < task.rows; ++row) {
    const auto position = static_cast<double>(task.positions[row]);
    std::size_t i = 0;
    for (; i + hn::Lanes(wide) <= pairs; i += hn::Lanes(wide)) {
      angles(wide, task, position, i, cosines, sines);
    }
    for (; i < pairs; ++i) angles(wide_one, task, position, i, cosines, sines);
    for (std::int64_t head = 0; head < task.heads; ++head) {
      const float* from = task.from + row * task.from_stride + head * task.head_dim;
      float* to = task.to + row * task.to_stride + head * task.head_dim;
      for (i = 0; i + hn::Lanes(d) <= pairs; i += hn::Lanes(d)) {
        turn(d, task.is_interleaved, pairs, i, from, to, cosines, sines);
      }
      for (; i < pairs; ++i) {
        turn(one, task.is_interleaved, pairs, i, from, to, cosines, sines);
      }
      if (from != to) std::copy(from + 2 * pairs, from + head_dim, to + 2 * pairs);
    }
  }
}

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(unrope_rows);

void unrope_on_host(const UnropeTask& task) {
  std::vector<float> factors(static_cast<std::size_t>(2 * task.pairs));
  HWY_DYNAMIC_DISPATCH(unrope_rows)(task, factors.data(), factors.data() + task.pairs);
}

#if !defined(SLUICE_CUDA)
Status unrope_on_cuda(const UnropeTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
#endif
