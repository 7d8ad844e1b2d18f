// SPDX-License-Identifier: Apache-2.0
// Highway pieces that the kernels here share: FP32 vectors from and to FP32 or BF16 memory, loops
// with a tail, and 2^x. Included once per target, hence no ordinary include guard.
#if defined(SLUICE_KERNELS_ELEMENTWISE_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_KERNELS_ELEMENTWISE_VECTOR_INL_H_
#undef SLUICE_KERNELS_ELEMENTWISE_VECTOR_INL_H_
#else
#define SLUICE_KERNELS_ELEMENTWISE_VECTOR_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// BF16 elements are std::uint16_t here: their bits.
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const std::uint16_t* from) {
  const hn::Rebind<std::uint16_t, D> du16;
  const hn::Rebind<std::uint32_t, D> du32;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du32, hn::LoadU(du16, from))));
}

// The BF16 bits in the lower half of each lane: nearest, ties to even, NaN stays NaN.
template <class D>
HWY_INLINE hn::Vec<hn::Rebind<std::uint32_t, D>> bf16_bits(D, hn::Vec<D> value) {
  const hn::Rebind<std::uint32_t, D> du32;
  const auto bits = hn::BitCast(du32, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du32, 1U));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du32, 0x7fffU))));
  const auto nan = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du32, 0x40U));
  // Eq and not Ne: on x86 Highway's Ne is false for NaN as well.
  return hn::IfThenElse(hn::RebindMask(du32, hn::Eq(value, value)), rounded, nan);
}

template <class D>
HWY_INLINE void store(D d, hn::Vec<D> value, float* to) {
  hn::StoreU(value, d, to);
}
template <class D>
HWY_INLINE void store(D d, hn::Vec<D> value, std::uint16_t* to) {
  const hn::Rebind<std::uint16_t, D> du16;
  const hn::Rebind<std::int32_t, D> di32;
  hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di32, bf16_bits(d, value))), du16, to);
}

// body(tag, index) over [0, count): whole vectors, then single elements.
template <class Body>
HWY_INLINE void for_elements(std::size_t count, const Body& body) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) body(d, i);
  for (; i < count; ++i) body(d1, i);
}

// 2^x for x in [-126, 127], clamped below: the nearest integer goes to the exponent and the rest,
// at most a half, through the Taylor series of exp(x ln 2), cut where it is below FP32's epsilon.
template <class D>
HWY_INLINE hn::Vec<D> exp2(D d, hn::Vec<D> x) {
  const hn::Rebind<std::int32_t, D> di32;
  x = hn::Max(x, hn::Set(d, -126.0F));
  const auto whole = hn::NearestInt(x);
  const auto f = hn::Sub(x, hn::ConvertTo(d, whole));
  auto p = hn::Set(d, 1.5403530393381609e-4F);
  p = hn::MulAdd(p, f, hn::Set(d, 1.3333558146428443e-3F));
  p = hn::MulAdd(p, f, hn::Set(d, 9.6181291076284772e-3F));
  p = hn::MulAdd(p, f, hn::Set(d, 5.5504108664821580e-2F));
  p = hn::MulAdd(p, f, hn::Set(d, 2.4022650695910072e-1F));
  p = hn::MulAdd(p, f, hn::Set(d, 6.9314718055994531e-1F));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0F));
  return hn::BitCast(d, hn::Add(hn::BitCast(di32, p), hn::ShiftLeft<23>(whole)));
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
