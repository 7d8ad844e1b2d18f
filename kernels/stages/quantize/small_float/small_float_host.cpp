// SPDX-License-Identifier: Apache-2.0
// Tuned for the CPU, a few dozen groups at a time: bounds in vectors, scales one by one, codes in
// vectors.
#include <algorithm>

#include "kernels/stages/quantize/small_float/small_float_device.hpp"

// Vectors are cut into halves here, which scalable ones cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/quantize/small_float/small_float_host.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/stages/quantize/levels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

constexpr std::size_t kChunk = 128;  // groups at a time

struct Groups {
  HWY_ALIGN float low[kChunk];
  HWY_ALIGN float high[kChunk];
  HWY_ALIGN float factor[kChunk];  // of values when encoding, of codes when decoding
};

HWY_INLINE Words word(std::uint32_t value) { return hn::Set(WordTag(), value); }

template <class Float>
HWY_INLINE Words codes_of(Floats value) {
  const FloatTag d;
  const auto bits = hn::BitCast(WordTag(), value);
  const auto size = hn::Min(hn::Abs(value), hn::Set(d, Float::kMax));
  const auto subnormal = hn::And(
      hn::BitCast(WordTag(), hn::Add(size, hn::Set(d, Float::kSubnormalShift))), word(0xff));
  const auto normal = hn::BitCast(WordTag(), size);
  const auto odd = hn::And(hn::ShiftRight<Float::kShift>(normal), word(1));
  const auto rounding = hn::Add(odd, word((1U << (Float::kShift - 1)) - 1));
  const auto rounded =
      hn::Sub(hn::ShiftRight<Float::kShift>(hn::Add(normal, rounding)), word(Float::kBias));
  const auto is_subnormal = hn::RebindMask(WordTag(), hn::Lt(size, hn::Set(d, Float::kNormalMin)));
  return hn::Or(hn::IfThenElse(is_subnormal, subnormal, rounded),
                hn::And(hn::ShiftRight<Float::kSignShift>(bits), word(Float::kCodes)));
}

template <class Float>
HWY_INLINE Floats values_of(const std::uint8_t* symbols) {
  const FloatTag d;
  const hn::Rebind<std::uint8_t, FloatTag> bytes;
  const auto codes = hn::PromoteTo(WordTag(), hn::LoadU(bytes, symbols));
  const auto magnitude = hn::And(codes, word(Float::kCodes - 1));
  const auto is_subnormal =
      hn::Lt(hn::BitCast(IntTag(), magnitude), hn::BitCast(IntTag(), word(Float::kNormalCodes)));
  const auto mask = hn::RebindMask(WordTag(), is_subnormal);
  const auto bits = hn::Add(hn::ShiftLeft<Float::kShift>(hn::Add(magnitude, word(Float::kBias))),
                            hn::IfThenElseZero(mask, word(1U << 23)));
  const auto size = hn::Sub(
      hn::BitCast(d, bits),
      hn::BitCast(d,
                  hn::IfThenElseZero(mask, hn::BitCast(WordTag(), hn::Set(d, Float::kNormalMin)))));
  const auto sign = hn::ShiftLeft<Float::kSignShift>(hn::And(codes, word(Float::kCodes)));
  return hn::BitCast(d, hn::Or(hn::BitCast(WordTag(), size), sign));
}

template <class Float, class Numbers>
HWY_INLINE void encode_span(const float* values, std::size_t count, const Numbers& numbers,
                            std::uint8_t* symbols) {
  const auto vector = [=, &numbers](std::size_t i) HWY_ATTR {
    return codes_of<Float>(hn::Mul(hn::LoadU(FloatTag(), values + i), numbers.first_at(i)));
  };
  const auto one = [=, &numbers](std::size_t i) {
    return Float::encode(values[i] * numbers.one_first(i));
  };
  symbols_of_span(count, 0xff, symbols, vector, one);
}

template <class Float, class Numbers>
HWY_INLINE void decode_span(const std::uint8_t* symbols, std::size_t count, const Numbers& numbers,
                            float* values) {
  const auto vector = [=, &numbers](std::size_t i) HWY_ATTR {
    return hn::Mul(values_of<Float>(symbols + i), numbers.first_at(i));
  };
  const auto one = [=, &numbers](std::size_t i) {
    return Float::decode(symbols[i]) * numbers.one_first(i);
  };
  values_of_span(count, values, vector, one);
}

// A row's groups from `entry` on: `count` elements.
template <bool kIsEncoder, class Float, std::size_t kVectors>
HWY_INLINE void run_chunk(const SmallFloatTask& task, std::int64_t row, std::int64_t entry,
                          std::size_t count, Groups& groups) {
  const auto group = static_cast<std::size_t>(task.group);
  float* values = task.values + row * task.stride + entry * task.group;
  std::uint8_t* symbols = task.symbols + row * task.columns + entry * task.group;
  const auto code = [values, symbols](std::size_t i, std::size_t n, const auto& numbers) HWY_ATTR {
    if constexpr (kIsEncoder) {
      encode_span<Float>(values + i, n, numbers, symbols + i);
    } else {
      decode_span<Float>(symbols + i, n, numbers, values + i);
    }
  };
  if constexpr (kIsEncoder)
    bounds_of_chunk<kVectors>(values, count, group, groups.low, groups.high);
  for (std::size_t g = 0; g * group < count; ++g) {
    std::byte* side = task.scale_at(row, entry + static_cast<std::int64_t>(g));
    if constexpr (kIsEncoder) {
      const float largest = std::max({0.0F, -groups.low[g], groups.high[g]});
      groups.factor[g] = small_float_put_scale(task, largest, side);
    } else {
      groups.factor[g] = small_float_scale(task, side);
    }
  }
  spans_of_chunk<kVectors>(count, group, groups.factor, groups.factor, code);
}

template <bool kIsEncoder, class Float, std::size_t kVectors>
void run_rows(const SmallFloatTask& task) {
  Groups groups;
  constexpr auto kStep = static_cast<std::int64_t>(kChunk);
  for (std::int64_t row = 0; row < task.rows; ++row) {
    for (std::int64_t entry = 0; entry < task.row_groups(); entry += kStep) {
      const std::int64_t left = task.columns - entry * task.group;
      const auto count = static_cast<std::size_t>(std::min(left, kStep * task.group));
      run_chunk<kIsEncoder, Float, kVectors>(task, row, entry, count, groups);
    }
  }
}

template <bool kIsEncoder, class Float>
void run_format(const SmallFloatTask& task) {
  constexpr std::size_t kSixteen = kLanes <= 16 ? 16 / kLanes : 0;
  if (task.group == 16) return run_rows<kIsEncoder, Float, kSixteen>(task);
  if (task.group == 32) return run_rows<kIsEncoder, Float, 32 / kLanes>(task);
  if (task.group == 64) return run_rows<kIsEncoder, Float, 64 / kLanes>(task);
  if (task.group == 128) return run_rows<kIsEncoder, Float, 128 / kLanes>(task);
  run_rows<kIsEncoder, Float, 0>(task);
}

template <bool kIsEncoder>
void run(const SmallFloatTask& task) {
  if (task.format == SmallFloatFormat::kFp8) return run_format<kIsEncoder, E4M3>(task);
  run_format<kIsEncoder, E2M1>(task);
}

void small_float_encode(const SmallFloatTask& task) { run<true>(task); }
void small_float_decode(const SmallFloatTask& task) { run<false>(task); }

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(small_float_encode);
HWY_EXPORT(small_float_decode);

void small_float_encode_on_host(const SmallFloatTask& task) {
  HWY_DYNAMIC_DISPATCH(small_float_encode)(task);
}
void small_float_decode_on_host(const SmallFloatTask& task) {
  HWY_DYNAMIC_DISPATCH(small_float_decode)(task);
}

#if !defined(SLUICE_CUDA)
Status small_float_encode_on_cuda(const SmallFloatTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
Status small_float_decode_on_cuda(const SmallFloatTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
#endif
