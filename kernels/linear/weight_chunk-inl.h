// SPDX-License-Identifier: Apache-2.0
// Decodes 32 stored weights at a time into vectors, for each instruction set (Highway).
//
// `WeightChunk<dtype>::decode(row, chunk, w)` leaves elements [32 * chunk, 32 * chunk + 32) of the
// row in w, element i in lane i % lanes of w[i / lanes]. Where kScales is not 0, blocks start with
// that many FP16 values, and decode_block takes a block and these in FP32, for who converts several
// rows' at once. The weights equal those of dequantize() in every bit: the
// products of scales (at most 19 significant bits) and codes (at most 5) that are added to a
// minimum are exact in FP32, so that fusing that addition changes nothing.
#if defined(SLUICE_WEIGHT_CHUNK_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_WEIGHT_CHUNK_INL
#undef SLUICE_WEIGHT_CHUNK_INL
#else
#define SLUICE_WEIGHT_CHUNK_INL
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/core/dtype.hpp"
#include "kernels/linear/dequantize.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using Vector = hn::Vec<FloatTag>;
using IntTag = hn::Rebind<std::int32_t, FloatTag>;
using ByteTag = hn::Rebind<std::uint8_t, FloatTag>;
using SignedByteTag = hn::Rebind<std::int8_t, FloatTag>;
using ShortTag = hn::Rebind<std::uint16_t, FloatTag>;
using IntVector = hn::Vec<IntTag>;

constexpr std::size_t kChunk = 32;
constexpr std::size_t kLanes = hn::MaxLanes(FloatTag());
constexpr std::size_t kChunkVectors = kChunk / kLanes;

HWY_INLINE float half_value(const std::uint8_t* bytes) {
  std::uint16_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  const hn::CappedTag<float, 4> tag;
  const hn::Rebind<hwy::float16_t, decltype(tag)> half_tag;
  const hn::Rebind<std::uint16_t, decltype(tag)> bits_tag;
  return hn::GetLane(hn::PromoteTo(tag, hn::BitCast(half_tag, hn::Set(bits_tag, bits))));
#else
  return f32_from_f16(bits);
#endif
}

// FP16 values `stride` bytes apart, kEach (1 or 2) that lie next to each other from each of kRows
// places, to FP32: values[r * kEach + i]; all 8 floats may be written. Converted together, since
// one conversion and a broadcasting load for each cost less than a conversion and a shuffle each.
template <std::size_t kRows, std::size_t kEach>
HWY_INLINE void half_values(const std::uint8_t* first, std::size_t stride, float* values) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  constexpr std::size_t kPerWord = 4 / kEach;
  static_assert(kRows <= 2 * kPerWord);
  std::uint64_t words[2] = {};
  for (std::size_t r = 0; r < kRows; ++r) {
    std::conditional_t<kEach == 2, std::uint32_t, std::uint16_t> bits;
    std::memcpy(&bits, first + r * stride, sizeof bits);
    words[r / kPerWord] |= std::uint64_t{bits} << (r % kPerWord * 16 * kEach);
  }
  const hn::Full128<std::uint64_t> words_tag;
  const hn::FixedTag<float, 8> tag;
  const hn::Rebind<hwy::float16_t, decltype(tag)> half_tag;
  const auto packed =
      hn::InterleaveLower(words_tag, hn::Set(words_tag, words[0]), hn::Set(words_tag, words[1]));
  hn::StoreU(hn::PromoteTo(tag, hn::BitCast(half_tag, packed)), tag, values);
#else
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t i = 0; i < kEach; ++i) {
      values[r * kEach + i] = half_value(first + r * stride + 2 * i);
    }
  }
#endif
}

HWY_INLINE IntVector bytes_at(const std::uint8_t* bytes) {
  return hn::PromoteTo(IntTag(), hn::LoadU(ByteTag(), bytes));
}

HWY_INLINE Vector as_float(IntVector codes) { return hn::ConvertTo(FloatTag(), codes); }

// kHigh: the nibbles above. Codes to code * factor + offset.
template <bool kHigh>
HWY_INLINE IntVector nibbles(IntVector bytes) {
  if constexpr (kHigh) return hn::ShiftRight<4>(bytes);
  return hn::And(bytes, hn::Set(IntTag(), 15));
}

// Sixteen values by their nibbles, where one vector holds all sixteen (its lookup reads only the
// low four bits of an index).
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
constexpr bool kHasTable = true;
HWY_INLINE Vector look_up(Vector table, IntVector bytes) {
  return Vector{_mm512_permutexvar_ps(bytes.raw, table.raw)};
}
#else
constexpr bool kHasTable = false;
HWY_INLINE Vector look_up(Vector table, IntVector) { return table; }
#endif

// The 32 weights of 16 bytes of nibbles, low ones first: code * factor + offset.
HWY_INLINE void decode_nibble_pairs(const std::uint8_t* codes, Vector factor, Vector offset,
                                    Vector* w) {
  if constexpr (kHasTable) {
    const Vector table = hn::MulAdd(hn::Iota(FloatTag(), 0.0F), factor, offset);
    const IntVector bytes = bytes_at(codes);
    w[0] = look_up(table, bytes);
    w[1] = look_up(table, hn::ShiftRight<4>(bytes));
    return;
  }
  constexpr std::size_t kHalf = (kChunkVectors + 1) / 2;
  for (std::size_t v = 0; v < kHalf; ++v) {
    const IntVector bytes = bytes_at(codes + v * kLanes);
    w[v] = hn::MulAdd(as_float(nibbles<false>(bytes)), factor, offset);
    w[v + kHalf] = hn::MulAdd(as_float(nibbles<true>(bytes)), factor, offset);
  }
}

// What every type without scales at the start of its blocks has.
struct PlainChunk {
  static constexpr std::size_t kScales = 0;
};

// A type whose blocks are a chunk each and start with kScales_ FP16 values.
template <class Chunk, std::size_t kBytes, std::size_t kScales_>
struct BlockChunk {
  static constexpr std::size_t kScales = kScales_;
  static constexpr std::size_t kBlockBytes = kBytes;
  static HWY_INLINE void decode(const std::uint8_t* row, std::size_t chunk, Vector* w) {
    float scales[8];
    half_values<1, kScales>(row + chunk * kBytes, 0, scales);
    Chunk::decode_block(row + chunk * kBytes, scales, w);
  }
};

template <DType dtype>
struct WeightChunk;

template <>
struct WeightChunk<DType::kF32> : PlainChunk {
  static HWY_INLINE void decode(const std::uint8_t* row, std::size_t chunk, Vector* w) {
#if HWY_TARGET == HWY_SCALAR
    std::memcpy(w, row + chunk * kChunk * sizeof(float), kChunk * sizeof(float));
#else
    // Unaligned loads: a mapped file need not align floats.
    const auto* first = reinterpret_cast<const float*>(row) + chunk * kChunk;
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
      w[v] = hn::LoadU(FloatTag(), first + v * kLanes);
    }
#endif
  }
};

HWY_INLINE hn::Vec<ShortTag> shorts_at(const std::uint8_t* bytes) {
  HWY_ALIGN std::uint16_t bits[kLanes];
  std::memcpy(bits, bytes, sizeof bits);
  return hn::Load(ShortTag(), bits);
}

template <>
struct WeightChunk<DType::kBF16> : PlainChunk {
  static HWY_INLINE void decode(const std::uint8_t* row, std::size_t chunk, Vector* w) {
    const hn::Rebind<std::uint32_t, FloatTag> bits_tag;
    const std::uint8_t* first = row + chunk * kChunk * 2;
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
      const auto bits = hn::PromoteTo(bits_tag, shorts_at(first + v * kLanes * 2));
      w[v] = hn::BitCast(FloatTag(), hn::ShiftLeft<16>(bits));
    }
  }
};

template <>
struct WeightChunk<DType::kF16> : PlainChunk {
  static HWY_INLINE void decode(const std::uint8_t* row, std::size_t chunk, Vector* w) {
    const std::uint8_t* first = row + chunk * kChunk * 2;
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
      const hn::Rebind<hwy::float16_t, FloatTag> half_tag;
      w[v] = hn::PromoteTo(FloatTag(), hn::BitCast(half_tag, shorts_at(first + v * kLanes * 2)));
#else
      HWY_ALIGN float values[kLanes];
      for (std::size_t i = 0; i < kLanes; ++i) {
        values[i] = half_value(first + (v * kLanes + i) * 2);
      }
      w[v] = hn::Load(FloatTag(), values);
#endif
    }
  }
};

template <>
struct WeightChunk<DType::kQ8_0> : BlockChunk<WeightChunk<DType::kQ8_0>, 34, 1> {
  static HWY_INLINE void decode_block(const std::uint8_t* block, const float* scales, Vector* w) {
    const Vector factor = hn::Set(FloatTag(), scales[0]);
    const auto* codes = reinterpret_cast<const std::int8_t*>(block + 2);
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
      const auto bytes = hn::LoadU(SignedByteTag(), codes + v * kLanes);
      w[v] = hn::Mul(as_float(hn::PromoteTo(IntTag(), bytes)), factor);
    }
  }
};

template <>
struct WeightChunk<DType::kQ4_0> : BlockChunk<WeightChunk<DType::kQ4_0>, 18, 1> {
  static HWY_INLINE void decode_block(const std::uint8_t* block, const float* scales, Vector* w) {
    // scale * (code - 8) as scale * code - scale * 8: both products are exact, so is the sum;
    // only a zero loses its sign, which no sum of products can see.
    const Vector factor = hn::Set(FloatTag(), scales[0]);
    decode_nibble_pairs(block + 2, factor, hn::Mul(factor, hn::Set(FloatTag(), -8.0F)), w);
  }
};

template <>
struct WeightChunk<DType::kQ4_1> : BlockChunk<WeightChunk<DType::kQ4_1>, 20, 2> {
  static HWY_INLINE void decode_block(const std::uint8_t* block, const float* scales, Vector* w) {
    decode_nibble_pairs(block + 4, hn::Set(FloatTag(), scales[0]), hn::Set(FloatTag(), scales[1]),
                        w);
  }
};

template <>
struct WeightChunk<DType::kQ4_K> : PlainChunk {
  static HWY_INLINE void decode(const std::uint8_t* row, std::size_t chunk, Vector* w) {
    const std::uint8_t* block = row + chunk / 8 * 144;
    const auto group = static_cast<int>(chunk % 8);
    const GroupScale packed = group_scale(block + 4, group);
    const Vector factor = hn::Set(FloatTag(), half_value(block) * packed.scale);
    const Vector offset = hn::Set(FloatTag(), -(half_value(block + 2) * packed.minimum));
    const std::uint8_t* codes = block + 16 + group / 2 * 32;
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
      const IntVector bytes = bytes_at(codes + v * kLanes);
      const IntVector code = group % 2 == 0 ? nibbles<false>(bytes) : nibbles<true>(bytes);
      w[v] = hn::MulAdd(as_float(code), factor, offset);
    }
  }
};

template <>
struct WeightChunk<DType::kQ5_K> : PlainChunk {
  static HWY_INLINE void decode(const std::uint8_t* row, std::size_t chunk, Vector* w) {
    const std::uint8_t* block = row + chunk / 8 * 176;
    const auto group = static_cast<int>(chunk % 8);
    const GroupScale packed = group_scale(block + 4, group);
    const Vector factor = hn::Set(FloatTag(), half_value(block) * packed.scale);
    const Vector offset = hn::Set(FloatTag(), -(half_value(block + 2) * packed.minimum));
    const std::uint8_t* codes = block + 48 + group / 2 * 32;
    const IntVector high_bit = hn::Set(IntTag(), 1 << group);
    const IntVector sixteen = hn::Set(IntTag(), 16);
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
      const IntVector bytes = bytes_at(codes + v * kLanes);
      const IntVector low = group % 2 == 0 ? nibbles<false>(bytes) : nibbles<true>(bytes);
      const IntVector high = bytes_at(block + 16 + v * kLanes);
      const auto is_set = hn::TestBit(high, high_bit);
      const IntVector code = hn::Or(low, hn::IfThenElseZero(is_set, sixteen));
      w[v] = hn::MulAdd(as_float(code), factor, offset);
    }
  }
};

template <>
struct WeightChunk<DType::kQ6_K> : PlainChunk {
  static HWY_INLINE void decode(const std::uint8_t* row, std::size_t chunk, Vector* w) {
    const std::uint8_t* block = row + chunk / 8 * 210;
    const std::size_t run = chunk % 8;
    const std::uint8_t* low = block + run / 4 * 64 + run % 2 * 32;
    const std::uint8_t* high = block + 128 + run / 4 * 32;
    const bool is_upper = run % 4 >= 2;
    const float scale = half_value(block + 208);
    const int high_shift = static_cast<int>(run % 4) * 2;
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
      const auto group = static_cast<std::int8_t>(block[192 + run * 2 + v * kLanes / 16]);
      const Vector factor = hn::Set(FloatTag(), scale * static_cast<float>(group));
      const IntVector bytes = bytes_at(low + v * kLanes);
      const IntVector low_bits = is_upper ? nibbles<true>(bytes) : nibbles<false>(bytes);
      const IntVector upper = hn::ShiftRightSame(bytes_at(high + v * kLanes), high_shift);
      const IntVector high_bits = hn::ShiftLeft<4>(hn::And(upper, hn::Set(IntTag(), 3)));
      const IntVector code = hn::Sub(hn::Or(low_bits, high_bits), hn::Set(IntTag(), 32));
      w[v] = hn::Mul(as_float(code), factor);
    }
  }
};

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
