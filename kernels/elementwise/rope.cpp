// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/rope.hpp"

#include <cstddef>

#include "kernels/core/check.hpp"
#include "kernels/elementwise/parallel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/rope.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/elementwise/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {

template <class T>
HWY_INLINE void rotate_halves(T* head, const float* cos, const float* sin, std::size_t pairs) {
  for_elements(pairs, [&](auto d, std::size_t i) HWY_ATTR {
    const auto a = load(d, head + i);
    const auto b = load(d, head + pairs + i);
    const auto c = load(d, cos + i);
    const auto s = load(d, sin + i);
    store(d, hn::Sub(hn::Mul(a, c), hn::Mul(b, s)), head + i);
    store(d, hn::Add(hn::Mul(b, c), hn::Mul(a, s)), head + pairs + i);
  });
}

// The first and the second elements of as many pairs as the tag has lanes.
template <class D, class V>
HWY_INLINE void load_pairs(D d, const float* from, V& a, V& b) {
  hn::LoadInterleaved2(d, from, a, b);
}
template <class D, class V>
HWY_INLINE void load_pairs(D d, const std::uint16_t* from, V& a, V& b) {
  const hn::Rebind<std::uint32_t, D> du32;
  const auto both = hn::LoadU(du32, reinterpret_cast<const std::uint32_t*>(from));
  a = hn::BitCast(d, hn::ShiftLeft<16>(both));
  b = hn::BitCast(d, hn::And(both, hn::Set(du32, 0xffff0000U)));
}
template <class D, class V>
HWY_INLINE void store_pairs(D d, V a, V b, float* to) {
  hn::StoreInterleaved2(a, b, d, to);
}
template <class D, class V>
HWY_INLINE void store_pairs(D d, V a, V b, std::uint16_t* to) {
  const hn::Rebind<std::uint32_t, D> du32;
  const auto both = hn::Or(bf16_bits(d, a), hn::ShiftLeft<16>(bf16_bits(d, b)));
  hn::StoreU(both, du32, reinterpret_cast<std::uint32_t*>(to));
}

template <class T>
HWY_INLINE void rotate_interleaved(T* head, const float* cos, const float* sin, std::size_t pairs) {
  for_elements(pairs, [&](auto d, std::size_t i) HWY_ATTR {
    auto a = hn::Zero(d);
    auto b = hn::Zero(d);
    load_pairs(d, head + 2 * i, a, b);
    const auto c = load(d, cos + i);
    const auto s = load(d, sin + i);
    store_pairs(d, hn::Sub(hn::Mul(a, c), hn::Mul(b, s)), hn::Add(hn::Mul(b, c), hn::Mul(a, s)),
                head + 2 * i);
  });
}

template <class T>
HWY_INLINE void rotate_token(const RopeChunk& chunk, T* heads, std::int64_t token) {
  const auto pairs = static_cast<std::size_t>(chunk.pairs);
  const float* cos = chunk.cos + token * chunk.pairs;
  const float* sin = chunk.sin + token * chunk.pairs;
  for (std::int64_t head = 0; head < chunk.heads; ++head) {
    T* values = heads + head * chunk.head_dim;
    if (chunk.is_interleaved) {
      rotate_interleaved(values, cos, sin, pairs);
    } else {
      rotate_halves(values, cos, sin, pairs);
    }
  }
}

void rotate_tokens(const RopeChunk& chunk, const Rows& x, std::int64_t first, std::int64_t last) {
  for (std::int64_t token = first; token < last; ++token) {
    if (x.dtype == DType::kF32) {
      rotate_token(chunk, static_cast<float*>(x.data) + token * x.stride, token);
    } else {
      rotate_token(chunk, static_cast<std::uint16_t*>(x.data) + token * x.stride, token);
    }
  }
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
HWY_EXPORT(rotate_tokens);

void apply_rope(const RopeChunk& chunk, Rows x) {
  SLUICE_CHECK(x.dtype == DType::kF32 || x.dtype == DType::kBF16, "heads are FP32 or BF16");
  SLUICE_CHECK(2 * chunk.pairs <= chunk.head_dim, "a head has two elements for each angle");
  const auto run = HWY_DYNAMIC_DISPATCH(rotate_tokens);
  parallel_ranges(chunk.tokens, chunk.heads * chunk.head_dim,
                  [&](std::int64_t first, std::int64_t last) { run(chunk, x, first, last); });
}

}  // namespace sluice::kernels
#endif
