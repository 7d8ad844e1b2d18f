// SPDX-License-Identifier: Apache-2.0
// Highway pieces that quantizers share: vectors of levels to and from symbols, one to a byte, and
// loops over spans of any length. Included once per target, hence no ordinary include guard.
#if defined(SLUICE_KERNELS_STAGES_QUANTIZE_LEVELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_KERNELS_STAGES_QUANTIZE_LEVELS_INL_H_
#undef SLUICE_KERNELS_STAGES_QUANTIZE_LEVELS_INL_H_
#else
#define SLUICE_KERNELS_STAGES_QUANTIZE_LEVELS_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "kernels/elementwise/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using IntTag = hn::Rebind<std::int32_t, FloatTag>;
using WordTag = hn::Rebind<std::uint32_t, FloatTag>;
using Floats = hn::Vec<FloatTag>;
using Words = hn::Vec<WordTag>;
inline constexpr std::size_t kLanes = hn::MaxLanes(FloatTag());

// The nearest integer (ties to even) of a number of [0, 2^16) in a word's low half; what lies above
// it is not meant. A number outside gives any word.
HWY_INLINE Words nearest_level(Floats level) {
  return hn::BitCast(WordTag(), hn::Add(level, hn::Set(FloatTag(), 0x1p23F)));
}

// The low bytes of kLanes words, each cut to the bits of `mask`.
HWY_INLINE void store_bytes(Words words, std::uint8_t mask, std::uint8_t* to) {
  const hn::Rebind<std::uint8_t, FloatTag> bytes;
  const auto cut = hn::And(words, hn::Set(WordTag(), mask));
  hn::StoreU(hn::DemoteTo(bytes, hn::BitCast(IntTag(), cut)), bytes, to);
}

// Those of 4 * kLanes words, in order, which have 0 in their second byte.
HWY_INLINE void store_bytes(Words a, Words b, Words c, Words d, std::uint8_t mask,
                            std::uint8_t* to) {
#if HWY_TARGET == HWY_SCALAR
  store_bytes(a, mask, to);
  store_bytes(b, mask, to + 1);
  store_bytes(c, mask, to + 2);
  store_bytes(d, mask, to + 3);
#else
  using PairTag = hn::Repartition<std::uint16_t, FloatTag>;
  using ByteTag = hn::Repartition<std::uint8_t, FloatTag>;
  const auto pairs = [](Words low, Words high) HWY_ATTR {
    return hn::OddEven(hn::BitCast(PairTag(), hn::ShiftLeft<16>(high)),
                       hn::BitCast(PairTag(), low));
  };
  // Bytes of a word: a, c, b, d. Then within each 16 bytes: four of a, of b, of c, of d.
  alignas(16) static constexpr std::uint8_t kOrder[16] = {0, 4, 8, 12, 2, 6, 10, 14,
                                                          1, 5, 9, 13, 3, 7, 11, 15};
  const auto mixed =
      hn::And(hn::BitCast(ByteTag(), hn::Or(pairs(a, b), hn::ShiftLeft<8>(pairs(c, d)))),
              hn::Set(ByteTag(), mask));
  const auto fours =
      hn::BitCast(WordTag(), hn::TableLookupBytes(mixed, hn::LoadDup128(ByteTag(), kOrder)));
  constexpr std::size_t kParts = kLanes / 4;
  if constexpr (kParts == 1) {
    hn::StoreU(hn::BitCast(ByteTag(), fours), ByteTag(), to);
  } else {
    // Part p of a to d lies at fours 4 p to 4 p + 3; a's parts come first, then b's, and so on.
    alignas(64) static constexpr std::int32_t kIndices[2][16] = {
        {0, 4, 1, 5, 2, 6, 3, 7}, {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15}};
    const auto indices = hn::SetTableIndices(WordTag(), kIndices[kParts == 2 ? 0 : 1]);
    hn::StoreU(hn::BitCast(ByteTag(), hn::TableLookupLanes(fours, indices)), ByteTag(), to);
  }
#endif
}

HWY_INLINE Floats load_levels(const std::uint8_t* from) {
  const hn::Rebind<std::uint8_t, FloatTag> bytes;
  return hn::ConvertTo(FloatTag(), hn::PromoteTo(IntTag(), hn::LoadU(bytes, from)));
}

// Two numbers for each element of a span, by vector and by element.
struct SameForAll {
  float first;
  float second;
  HWY_INLINE Floats first_at(std::size_t) const { return hn::Set(FloatTag(), first); }
  HWY_INLINE Floats second_at(std::size_t) const { return hn::Set(FloatTag(), second); }
  float one_first(std::size_t) const { return first; }
  float one_second(std::size_t) const { return second; }
};
struct ByElement {
  const float* first;
  const float* second;
  HWY_INLINE Floats first_at(std::size_t i) const { return hn::LoadU(FloatTag(), first + i); }
  HWY_INLINE Floats second_at(std::size_t i) const { return hn::LoadU(FloatTag(), second + i); }
  float one_first(std::size_t i) const { return first[i]; }
  float one_second(std::size_t i) const { return second[i]; }
};
// Groups of kVectors vectors.
template <std::size_t kVectors>
struct ByGroup {
  static constexpr std::size_t kGroup = kVectors * kLanes;
  const float* first;
  const float* second;
  HWY_INLINE Floats first_at(std::size_t i) const { return hn::Set(FloatTag(), first[i / kGroup]); }
  HWY_INLINE Floats second_at(std::size_t i) const {
    return hn::Set(FloatTag(), second[i / kGroup]);
  }
  float one_first(std::size_t i) const { return first[i / kGroup]; }
  float one_second(std::size_t i) const { return second[i / kGroup]; }
};

// The symbols of a span: `vector(i)` gives words for store_bytes, `one(i)` a symbol. The last
// vector of a span may do elements a second time, alike.
template <class Vector, class One>
HWY_INLINE void symbols_of_span(std::size_t count, std::uint8_t mask, std::uint8_t* symbols,
                                const Vector& vector, const One& one) {
  std::size_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    store_bytes(vector(i), vector(i + kLanes), vector(i + 2 * kLanes), vector(i + 3 * kLanes), mask,
                symbols + i);
  }
  for (; i + kLanes <= count; i += kLanes) store_bytes(vector(i), mask, symbols + i);
  if (i == count) return;
  if (count >= kLanes) {
    return store_bytes(vector(count - kLanes), mask, symbols + count - kLanes);
  }
  for (; i < count; ++i) symbols[i] = one(i);
}

// The same for values: `vector(i)` gives Floats, `one(i)` a float.
template <class Vector, class One>
HWY_INLINE void values_of_span(std::size_t count, float* values, const Vector& vector,
                               const One& one) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(vector(i), FloatTag(), values + i);
  if (i == count) return;
  if (count >= kLanes) {
    return hn::StoreU(vector(count - kLanes), FloatTag(), values + count - kLanes);
  }
  for (; i < count; ++i) values[i] = one(i);
}

// Smallest and largest of spans of `group` values each, the last one perhaps shorter.
HWY_INLINE void bounds_of_span(const float* values, std::size_t count, float& low, float& high) {
  const FloatTag d;
  if (count < kLanes) {
    low = high = values[0];
    for (std::size_t i = 1; i < count; ++i) {
      low = values[i] < low ? values[i] : low;
      high = high < values[i] ? values[i] : high;
    }
    return;
  }
  auto least = hn::LoadU(d, values + count - kLanes);
  auto most = least;
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
    const auto v = hn::LoadU(d, values + i);
    least = hn::Min(least, v);
    most = hn::Max(most, v);
  }
  low = hn::GetLane(hn::MinOfLanes(d, least));
  high = hn::GetLane(hn::MaxOfLanes(d, most));
}

#if HWY_TARGET != HWY_SCALAR

// The four-lane parts of a vector joined into one.
template <class D, class Join>
HWY_INLINE hn::Vec<hn::CappedTag<float, 4>> fold_to_quad(D d, hn::Vec<D> v, const Join& join) {
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    return fold_to_quad(half, join(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), join);
  } else {
    (void)d;
    return v;
  }
}

// to[l] joins all lanes of vectors[l], for four of them.
template <class Join>
HWY_INLINE void join_lanes(const Floats* vectors, const Join& join, float* to) {
  const FloatTag d;
  const hn::Repartition<double, FloatTag> pairs;
  const Floats ab = join(hn::InterleaveLower(d, vectors[0], vectors[1]),
                         hn::InterleaveUpper(d, vectors[0], vectors[1]));
  const Floats cd = join(hn::InterleaveLower(d, vectors[2], vectors[3]),
                         hn::InterleaveUpper(d, vectors[2], vectors[3]));
  const auto ab_pairs = hn::BitCast(pairs, ab);
  const auto cd_pairs = hn::BitCast(pairs, cd);
  const Floats joined = join(hn::BitCast(d, hn::InterleaveLower(pairs, ab_pairs, cd_pairs)),
                             hn::BitCast(d, hn::InterleaveUpper(pairs, ab_pairs, cd_pairs)));
  hn::StoreU(fold_to_quad(d, joined, join), hn::CappedTag<float, 4>(), to);
}

#endif

struct JoinMin {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Min(a, b);
  }
};
struct JoinMax {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Max(a, b);
  }
};

// Of `groups` whole groups of kVectors vectors.
template <std::size_t kVectors>
HWY_INLINE void bounds_of_groups(const float* values, std::size_t groups, float* low, float* high) {
  std::size_t g = 0;
#if HWY_TARGET != HWY_SCALAR
  const FloatTag d;
  for (; g + 4 <= groups; g += 4) {
    Floats least[4];
    Floats most[4];
    for (std::size_t k = 0; k < 4; ++k) {
      const float* group = values + (g + k) * kVectors * kLanes;
      least[k] = most[k] = hn::LoadU(d, group);
      for (std::size_t v = 1; v < kVectors; ++v) {
        const auto next = hn::LoadU(d, group + v * kLanes);
        least[k] = hn::Min(least[k], next);
        most[k] = hn::Max(most[k], next);
      }
    }
    join_lanes(least, JoinMin(), low + g);
    join_lanes(most, JoinMax(), high + g);
  }
#endif
  for (; g < groups; ++g) {
    bounds_of_span(values + g * kVectors * kLanes, kVectors * kLanes, low[g], high[g]);
  }
}

// Of kVectors vectors of columns from `values` on, over `rows` rows.
template <std::size_t kVectors>
HWY_INLINE void bounds_of_strip(const float* values, std::size_t stride, std::size_t rows,
                                float* low, float* high) {
  const FloatTag d;
  Floats least[kVectors];
  Floats most[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    least[v] = most[v] = hn::LoadU(d, values + v * kLanes);
  }
  for (std::size_t r = 1; r < rows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto next = hn::LoadU(d, values + r * stride + v * kLanes);
      least[v] = hn::Min(least[v], next);
      most[v] = hn::Max(most[v], next);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) {
    hn::StoreU(least[v], d, low + v * kLanes);
    hn::StoreU(most[v], d, high + v * kLanes);
  }
}

// By column, over `rows` rows.
HWY_INLINE void bounds_of_columns(const float* values, std::size_t stride, std::size_t rows,
                                  std::size_t count, float* low, float* high) {
  constexpr std::size_t kStrip = 4;
  std::size_t c = 0;
  for (; c + kStrip * kLanes <= count; c += kStrip * kLanes) {
    bounds_of_strip<kStrip>(values + c, stride, rows, low + c, high + c);
  }
  for (; c + kLanes <= count; c += kLanes) {
    bounds_of_strip<1>(values + c, stride, rows, low + c, high + c);
  }
  if (c == count) return;
  if (count >= kLanes) {
    c = count - kLanes;
    return bounds_of_strip<1>(values + c, stride, rows, low + c, high + c);
  }
  for (; c < count; ++c) {
    low[c] = high[c] = values[c];
    for (std::size_t r = 1; r < rows; ++r) {
      const float v = values[r * stride + c];
      low[c] = v < low[c] ? v : low[c];
      high[c] = high[c] < v ? v : high[c];
    }
  }
}

// The bounds of a chunk's groups: of kVectors vectors each, or of any size (kVectors 0); the last
// one may be shorter.
template <std::size_t kVectors>
HWY_INLINE void bounds_of_chunk(const float* values, std::size_t count, std::size_t group,
                                float* low, float* high) {
  std::size_t g = 0;
  if constexpr (kVectors != 0) {
    g = count / group;
    bounds_of_groups<kVectors>(values, g, low, high);
  }
  for (; g * group < count; ++g) {
    bounds_of_span(values + g * group, count - g * group < group ? count - g * group : group,
                   low[g], high[g]);
  }
}

// code(first element, elements, numbers) over a chunk, with two numbers for each group.
template <std::size_t kVectors, class Code>
HWY_INLINE void spans_of_chunk(std::size_t count, std::size_t group, const float* first,
                               const float* second, const Code& code) {
  std::size_t g = 0;
  if constexpr (kVectors != 0) {
    g = count / group;
    code(std::size_t{0}, g * group, ByGroup<kVectors>{first, second});
  }
  for (; g * group < count; ++g) {
    code(g * group, count - g * group < group ? count - g * group : group,
         SameForAll{first[g], second[g]});
  }
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
