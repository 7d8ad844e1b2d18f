// SPDX-License-Identifier: Apache-2.0
// Tuned for the CPU: three passes over a few dozen groups at a time, which stay in the L1 cache.
// Bounds, then the groups' numbers side by side in vectors, then symbols.
#include <algorithm>
#include <cstring>

#include "kernels/stages/quantize/rtn/rtn_device.hpp"

// Vectors are cut into halves here, which scalable ones cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/quantize/rtn/rtn_host.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/stages/quantize/levels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

constexpr std::size_t kChunk = 128;  // groups at a time: their numbers are 4 KB

// The numbers of up to kChunk groups.
struct Groups {
  HWY_ALIGN float low[kChunk];
  HWY_ALIGN float high[kChunk];
  HWY_ALIGN float scale[kChunk];
  HWY_ALIGN float zero[kChunk];
  HWY_ALIGN float inverse[kChunk];
  HWY_ALIGN float offset[kChunk];
  HWY_ALIGN std::uint16_t scale_bits[kChunk];
  HWY_ALIGN std::uint16_t zero_bits[kChunk];
  bool has_cuts = false;  // levels may fall outside [0, top]
};

// Offsets up to it leave levels exact to 2^-8; beyond, they may round to outside [0, top].
constexpr float kOffsetMax = 0x1p14F;

struct Work {
  const RtnTask& task;
  std::size_t group;
  std::size_t columns;
  float top;
};

HWY_INLINE Floats upper_half(Words bits) {
  return hn::BitCast(FloatTag(), hn::And(bits, hn::Set(WordTag(), 0xffff0000U)));
}

HWY_INLINE void store_bf16s(Floats exact, std::uint16_t* to) {
  const hn::Rebind<std::uint16_t, FloatTag> narrow;
  const auto bits = hn::ShiftRight<16>(hn::BitCast(WordTag(), exact));
  hn::Store(hn::DemoteTo(narrow, hn::BitCast(IntTag(), bits)), narrow, to);
}

HWY_INLINE Floats within_bf16(Floats value) {
  const FloatTag d;
  return hn::Min(hn::Max(value, hn::Set(d, -kBf16Max)), hn::Set(d, kBf16Max));
}

HWY_INLINE Floats bf16s_at_most(Floats value) {
  const auto bits = hn::BitCast(IntTag(), value);
  const auto up = hn::And(hn::ShiftRight<31>(bits), hn::Set(IntTag(), 0xffff));
  return hn::Add(upper_half(hn::BitCast(WordTag(), hn::Add(bits, up))), hn::Zero(FloatTag()));
}

// rtn_scale of kLanes groups from `at` on, by the same operations in the same order.
HWY_INLINE void scales_at(const Work& work, Groups& groups, std::size_t at) {
  const FloatTag d;
  const bool is_symmetric = work.task.is_symmetric;
  const float half = power_of_two(work.task.bits - 1);
  const auto low = hn::Load(d, groups.low + at);
  const auto high = hn::Load(d, groups.high + at);
  auto zero = hn::Zero(d);
  auto step = hn::Zero(d);
  if (is_symmetric) {
    step = hn::Mul(hn::Max(hn::Neg(low), high), hn::Set(d, 1.0F / (half - 1.0F)));
  } else {
    const auto share = hn::Set(d, 1.0F / work.top);
    zero = bf16s_at_most(within_bf16(low));
    step = hn::Sub(hn::Mul(within_bf16(high), share), hn::Mul(zero, share));
  }
  step = hn::Sub(step, hn::Mul(step, hn::Set(d, kRtnStepSlack)));
  const auto step_max = hn::Set(d, power_of_two(127 - work.task.bits) * 2.0F);
  auto is_cut = hn::Gt(step, step_max);
  step = hn::Min(step, step_max);
  step = hn::IfThenElseZero(hn::Ge(step, hn::Set(d, kRtnScaleMin)), step);
  const auto step_bits = hn::Add(hn::BitCast(WordTag(), step), hn::Set(WordTag(), 0xffffU));
  auto scale = upper_half(step_bits);
  const auto negative_half = hn::Set(d, -half);
  if (is_symmetric) zero = hn::Mul(negative_half, scale);
  const auto reached = hn::Add(zero, hn::Mul(hn::Set(d, work.top), scale));
  const auto is_beyond = hn::Gt(reached, hn::Set(d, kBf16Max));
  scale = hn::BitCast(d, hn::Sub(hn::BitCast(WordTag(), scale),
                                 hn::IfThenElseZero(hn::RebindMask(WordTag(), is_beyond),
                                                    hn::Set(WordTag(), 0x10000U))));
  if (is_symmetric) zero = hn::Mul(negative_half, scale);
  const auto inverse =
      hn::IfThenElseZero(hn::Gt(scale, hn::Zero(d)), hn::Div(hn::Set(d, 1.0F), scale));
  const auto offset = hn::Mul(zero, inverse);
  hn::Store(inverse, d, groups.inverse + at);
  hn::Store(offset, d, groups.offset + at);
  store_bf16s(scale, groups.scale_bits + at);
  store_bf16s(zero, groups.zero_bits + at);
  // Bounds beyond BF16's were brought back to it: their values' levels may lie outside.
  const auto bf16_max = hn::Set(d, kBf16Max);
  is_cut = hn::Or(is_cut, hn::Or(hn::Lt(low, hn::Neg(bf16_max)), hn::Gt(high, bf16_max)));
  is_cut = hn::Or(is_cut, hn::Or(is_beyond, hn::Gt(hn::Abs(offset), hn::Set(d, kOffsetMax))));
  groups.has_cuts = groups.has_cuts || !hn::AllFalse(d, is_cut);
}

// A few numbers of 16 bits: a call of memcpy would take as long as their row.
HWY_INLINE void copy_numbers(const void* from, void* to, std::size_t count) {
  constexpr std::size_t kFew = 32;
  if (count > kFew) {
    std::memcpy(to, from, 2 * count);
    return;
  }
  const auto* in = static_cast<const std::byte*>(from);
  auto* out = static_cast<std::byte*>(to);
  for (; count >= 4; count -= 4, in += 8, out += 8) std::memcpy(out, in, 8);
  for (; count > 0; --count, in += 2, out += 2) std::memcpy(out, in, 2);
}

// body(groups before, groups, line, entry) for `count` groups that may go on in further lines.
template <class Body>
HWY_INLINE void each_line(const Work& work, std::size_t count, std::int64_t line,
                          std::int64_t entry, const Body& body) {
  const std::int64_t entries = work.task.line_entries();
  for (std::size_t before = 0; before < count; ++line, entry = 0) {
    const std::size_t part = std::min(count - before, static_cast<std::size_t>(entries - entry));
    body(before, part, line, entry);
    before += part;
  }
}

// Of `count` groups, which are entries from `entry` on of a line, and of those after it.
HWY_INLINE void find_scales(const Work& work, Groups& groups, std::size_t count, std::int64_t line,
                            std::int64_t entry) {
  for (std::size_t i = count; i % kLanes != 0; ++i) groups.low[i] = groups.high[i] = 0.0F;
  groups.has_cuts = false;
  for (std::size_t i = 0; i < count; i += kLanes) scales_at(work, groups, i);
  each_line(work, count, line, entry,
            [&](std::size_t before, std::size_t part, std::int64_t l, std::int64_t e) HWY_ATTR {
              copy_numbers(groups.scale_bits + before, work.task.scale_at(l, e), part);
              if (work.task.is_symmetric) return;
              copy_numbers(groups.zero_bits + before, work.task.zero_at(l, e), part);
            });
}

HWY_INLINE void read_scales(const Work& work, Groups& groups, std::size_t count, std::int64_t line,
                            std::int64_t entry) {
  const FloatTag d;
  each_line(work, count, line, entry,
            [&](std::size_t before, std::size_t part, std::int64_t l, std::int64_t e) HWY_ATTR {
              copy_numbers(work.task.scale_at(l, e), groups.scale_bits + before, part);
              if (work.task.is_symmetric) return;
              copy_numbers(work.task.zero_at(l, e), groups.zero_bits + before, part);
            });
  const auto negative_half = hn::Set(d, -power_of_two(work.task.bits - 1));
  for (std::size_t i = 0; i < count; i += kLanes) {
    const auto scale = load(d, groups.scale_bits + i);
    hn::Store(scale, d, groups.scale + i);
    hn::Store(
        work.task.is_symmetric ? hn::Mul(negative_half, scale) : load(d, groups.zero_bits + i), d,
        groups.zero + i);
  }
}

// rtn_symbol and rtn_value; Numbers gives inverse and offset, or scale and zero. Clamping costs a
// quarter of the time, so only groups that are cut have it.
template <bool kClamps, class Numbers>
HWY_INLINE void encode_levels(const float* values, std::size_t count, float top,
                              const Numbers& numbers, std::uint8_t* symbols) {
  const FloatTag d;
  const auto vector = [=, &numbers](std::size_t i) HWY_ATTR {
    auto level =
        hn::Sub(hn::Mul(hn::LoadU(d, values + i), numbers.first_at(i)), numbers.second_at(i));
    if constexpr (kClamps) level = hn::Min(hn::Max(level, hn::Zero(d)), hn::Set(d, top));
    return nearest_level(level);
  };
  const auto one = [=, &numbers](std::size_t i) {
    const RtnScale scale{.inverse = numbers.one_first(i), .offset = numbers.one_second(i)};
    return rtn_symbol(values[i], scale, top);
  };
  symbols_of_span(count, static_cast<std::uint8_t>(top), symbols, vector, one);
}

template <class Numbers>
HWY_INLINE void encode_span(const Work& work, const Groups& groups, const float* values,
                            std::size_t count, const Numbers& numbers, std::uint8_t* symbols) {
  if (groups.has_cuts) return encode_levels<true>(values, count, work.top, numbers, symbols);
  encode_levels<false>(values, count, work.top, numbers, symbols);
}

template <class Numbers>
HWY_INLINE void decode_span(const std::uint8_t* symbols, std::size_t count, const Numbers& numbers,
                            float* values) {
  const auto vector = [=, &numbers](std::size_t i) HWY_ATTR {
    return hn::Add(hn::Mul(load_levels(symbols + i), numbers.first_at(i)), numbers.second_at(i));
  };
  const auto one = [=, &numbers](std::size_t i) {
    return rtn_value(symbols[i], {.scale = numbers.one_first(i), .zero = numbers.one_second(i)});
  };
  values_of_span(count, values, vector, one);
}

template <bool kIsEncoder, std::size_t kVectors>
void run_tokens(const Work& work) {
  Groups groups;
  const std::size_t step = kChunk * work.group;
  const auto entries = static_cast<std::size_t>(work.task.line_entries());
  // Rows of whole groups that follow each other: as many as a chunk has room for are done as one.
  const bool is_even =
      static_cast<std::size_t>(work.task.stride) == work.columns && work.columns % work.group == 0;
  const auto together = static_cast<std::int64_t>(
      is_even ? std::max<std::size_t>(kChunk / std::max<std::size_t>(entries, 1), 1) : 1);
  for (std::int64_t row = 0; row < work.task.rows; row += together) {
    const std::size_t rows = static_cast<std::size_t>(std::min(together, work.task.rows - row));
    const std::size_t length = rows * work.columns;
    for (std::size_t first = 0; first < length; first += step) {
      const std::size_t count = std::min(step, length - first);
      const std::size_t in_chunk = (count + work.group - 1) / work.group;
      const auto entry = static_cast<std::int64_t>(first / work.group);
      float* values = work.task.values + row * work.task.stride + first;
      std::uint8_t* symbols =
          work.task.symbols + static_cast<std::size_t>(row) * work.columns + first;
      if constexpr (kIsEncoder) {
        bounds_of_chunk<kVectors>(values, count, work.group, groups.low, groups.high);
        find_scales(work, groups, in_chunk, row, entry);
        spans_of_chunk<kVectors>(count, work.group, groups.inverse, groups.offset,
                                 [&](std::size_t i, std::size_t n, const auto& numbers) HWY_ATTR {
                                   encode_span(work, groups, values + i, n, numbers, symbols + i);
                                 });
      } else {
        read_scales(work, groups, in_chunk, row, entry);
        spans_of_chunk<kVectors>(count, work.group, groups.scale, groups.zero,
                                 [&](std::size_t i, std::size_t n, const auto& numbers) HWY_ATTR {
                                   decode_span(symbols + i, n, numbers, values + i);
                                 });
      }
    }
  }
}

template <bool kIsEncoder>
void run_channels(const Work& work) {
  Groups groups;
  const RtnTask& task = work.task;
  const auto stride = static_cast<std::size_t>(task.stride);
  for (std::int64_t line = 0; line < task.lines(); ++line) {
    const std::int64_t row_first = line * task.group;
    const auto rows = static_cast<std::size_t>(std::min(task.group, task.rows - row_first));
    for (std::size_t first = 0; first < work.columns; first += kChunk) {
      const std::size_t count = std::min(kChunk, work.columns - first);
      float* values = task.values + row_first * task.stride + first;
      std::uint8_t* symbols =
          task.symbols + static_cast<std::size_t>(row_first) * work.columns + first;
      const auto entry = static_cast<std::int64_t>(first);
      if constexpr (kIsEncoder) {
        bounds_of_columns(values, stride, rows, count, groups.low, groups.high);
        find_scales(work, groups, count, line, entry);
        for (std::size_t r = 0; r < rows; ++r) {
          encode_span(work, groups, values + r * stride, count,
                      ByElement{groups.inverse, groups.offset}, symbols + r * work.columns);
        }
      } else {
        read_scales(work, groups, count, line, entry);
        for (std::size_t r = 0; r < rows; ++r) {
          decode_span(symbols + r * work.columns, count, ByElement{groups.scale, groups.zero},
                      values + r * stride);
        }
      }
    }
  }
}

template <bool kIsEncoder>
void run(const RtnTask& task) {
  const Work work{task, static_cast<std::size_t>(task.group),
                  static_cast<std::size_t>(task.columns), static_cast<float>((1 << task.bits) - 1)};
  if (task.is_along_tokens) return run_channels<kIsEncoder>(work);
  if (work.group == 32) return run_tokens<kIsEncoder, 32 / kLanes>(work);
  if (work.group == 64) return run_tokens<kIsEncoder, 64 / kLanes>(work);
  if (work.group == 128) return run_tokens<kIsEncoder, 128 / kLanes>(work);
  run_tokens<kIsEncoder, 0>(work);
}

void rtn_encode(const RtnTask& task) { run<true>(task); }
void rtn_decode(const RtnTask& task) { run<false>(task); }

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(rtn_encode);
HWY_EXPORT(rtn_decode);

void rtn_encode_on_host(const RtnTask& task) { HWY_DYNAMIC_DISPATCH(rtn_encode)(task); }
void rtn_decode_on_host(const RtnTask& task) { HWY_DYNAMIC_DISPATCH(rtn_decode)(task); }

#if !defined(SLUICE_CUDA)
Status rtn_encode_on_cuda(const RtnTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
Status rtn_decode_on_cuda(const RtnTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
#endif
