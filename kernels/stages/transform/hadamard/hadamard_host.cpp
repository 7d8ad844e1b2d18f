// SPDX-License-Identifier: Apache-2.0
// Tuned for the CPU: the first stages within vectors, the others between them, two at a time.
#include "kernels/core/block.hpp"
#include "kernels/stages/transform/hadamard/hadamard_device.hpp"

// Vectors are indexed by constants here, which scalable ones do not have.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/transform/hadamard/hadamard_host.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using WordTag = hn::Rebind<std::uint32_t, FloatTag>;
using Floats = hn::Vec<FloatTag>;
constexpr std::size_t kLanes = hn::MaxLanes(FloatTag());

// a + b and a - b of the lanes kHalf apart: the partner plus the lane, negated in the upper ones.
template <std::size_t kHalf>
HWY_INLINE Floats stage_within(Floats v) {
#if HWY_TARGET == HWY_SCALAR
  return v;
#else
  struct Tables {
    alignas(64) std::int32_t partner[kLanes];
    alignas(64) std::uint32_t sign[kLanes];
    constexpr Tables() : partner(), sign() {
      for (std::size_t i = 0; i < kLanes; ++i) {
        partner[i] = static_cast<std::int32_t>(i ^ kHalf);
        sign[i] = (i & kHalf) != 0 ? 0x80000000U : 0U;
      }
    }
  };
  static constexpr Tables kTables;
  const FloatTag d;
  Floats partners;
  if constexpr (kHalf == 1) {
    partners = hn::Shuffle2301(v);
  } else if constexpr (kHalf == 2) {
    partners = hn::Shuffle1032(v);
  } else {
    partners = hn::TableLookupLanes(v, hn::SetTableIndices(d, kTables.partner));
  }
  const auto signs = hn::BitCast(d, hn::Load(WordTag(), kTables.sign));
  return hn::Add(partners, hn::Xor(v, signs));
#endif
}

// All stages below `size` that fit into a vector.
HWY_INLINE Floats stages_within(Floats v, std::size_t size) {
  if constexpr (kLanes > 1) {
    if (size > 1) v = stage_within<1>(v);
    if (size > 2) v = stage_within<2>(v);
  }
  if constexpr (kLanes > 4) {
    if (size > 4) v = stage_within<4>(v);
  }
  if constexpr (kLanes > 8) {
    if (size > 8) v = stage_within<8>(v);
  }
  return v;
}

// Stages half and 2 * half of a block, for half >= kLanes and 4 * half <= size.
HWY_INLINE void two_stages(float* block, std::size_t size, std::size_t half) {
  const FloatTag d;
  for (std::size_t first = 0; first < size; first += 4 * half) {
    for (std::size_t i = first; i < first + half; i += kLanes) {
      const auto a = hn::LoadU(d, block + i);
      const auto b = hn::LoadU(d, block + i + half);
      const auto c = hn::LoadU(d, block + i + 2 * half);
      const auto e = hn::LoadU(d, block + i + 3 * half);
      const auto sum = hn::Add(a, b);
      const auto difference = hn::Sub(a, b);
      const auto sum2 = hn::Add(c, e);
      const auto difference2 = hn::Sub(c, e);
      hn::StoreU(hn::Add(sum, sum2), d, block + i);
      hn::StoreU(hn::Add(difference, difference2), d, block + i + half);
      hn::StoreU(hn::Sub(sum, sum2), d, block + i + 2 * half);
      hn::StoreU(hn::Sub(difference, difference2), d, block + i + 3 * half);
    }
  }
}

HWY_INLINE void one_stage(float* block, std::size_t size, std::size_t half) {
  const FloatTag d;
  for (std::size_t first = 0; first < size; first += 2 * half) {
    for (std::size_t i = first; i < first + half; i += kLanes) {
      const auto a = hn::LoadU(d, block + i);
      const auto b = hn::LoadU(d, block + i + half);
      hn::StoreU(hn::Add(a, b), d, block + i);
      hn::StoreU(hn::Sub(a, b), d, block + i + half);
    }
  }
}

void row_of(const HadamardTask& task, std::int64_t row) {
  const FloatTag d;
  const auto columns = static_cast<std::size_t>(task.columns);
  const auto size = static_cast<std::size_t>(task.size);
  const float* from = task.from + row * task.from_stride;
  float* to = task.to + row * task.to_stride;
  // A vector holds whole blocks, or a block whole vectors; the rest is whole blocks again.
  const std::size_t whole = columns / kLanes * kLanes;
  for (std::size_t c = 0; c < whole; c += kLanes) {
    const auto v = hn::Mul(hn::LoadU(d, from + c), hn::LoadU(d, task.before + c));
    hn::StoreU(stages_within(v, size), d, to + c);
  }
  for (std::size_t first = 0; first < whole && size > kLanes; first += size) {
    std::size_t half = kLanes;
    for (; 4 * half <= size; half *= 4) two_stages(to + first, size, half);
    if (2 * half <= size) one_stage(to + first, size, half);
  }
  if (task.after != nullptr) {
    for (std::size_t c = 0; c < whole; c += kLanes) {
      hn::StoreU(hn::Mul(hn::LoadU(d, to + c), hn::LoadU(d, task.after + c)), d, to + c);
    }
  }
  if (whole == columns) return;
  HadamardTask rest = task;
  rest.columns = task.columns - static_cast<std::int64_t>(whole);
  rest.from = from + whole;
  rest.to = to + whole;
  rest.before = task.before + whole;
  rest.after = task.after == nullptr ? nullptr : task.after + whole;
  run_on_host(rest.columns / rest.size, HadamardBody{rest});
}

void transform(const HadamardTask& task) {
  for (std::int64_t row = 0; row < task.rows; ++row) row_of(task, row);
}

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(transform);

void hadamard_on_host(const HadamardTask& task) { HWY_DYNAMIC_DISPATCH(transform)(task); }

#if !defined(SLUICE_CUDA)
Status hadamard_on_cuda(const HadamardTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
#endif
