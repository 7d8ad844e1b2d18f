// SPDX-License-Identifier: Apache-2.0
// Tiles of symbols between rows (as planes are) and columns (as lanes are), for each instruction
// set (Highway). A tile is [columns][32 lanes]; 16 by 16 symbols at a time.
#if defined(SLUICE_BYTE_TRANSPOSE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_BYTE_TRANSPOSE_INL
#undef SLUICE_BYTE_TRANSPOSE_INL
#else
#define SLUICE_BYTE_TRANSPOSE_INL
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::ptrdiff_t kPatch = 16;

#if HWY_TARGET != HWY_SCALAR

using PatchTag = hn::Full128<std::uint8_t>;
using PatchVector = hn::Vec<PatchTag>;

// Interleaves rows i and i + 8: after four rounds, rows are columns.
HWY_INLINE void interleave_halves(const PatchVector* in, PatchVector* out) {
  const PatchTag tag;
  for (std::size_t i = 0; i < 8; ++i) {
    out[2 * i] = hn::InterleaveLower(tag, in[i], in[i + 8]);
    out[2 * i + 1] = hn::InterleaveUpper(tag, in[i], in[i + 8]);
  }
}

// to[j][i] = from[i][j] for 16 by 16 bytes; strides may be negative.
HWY_INLINE void transpose_patch(const std::uint8_t* from, std::ptrdiff_t from_stride,
                                std::uint8_t* to, std::ptrdiff_t to_stride) {
  const PatchTag tag;
  PatchVector a[kPatch];
  PatchVector b[kPatch];
  for (std::ptrdiff_t i = 0; i < kPatch; ++i) a[i] = hn::LoadU(tag, from + i * from_stride);
  interleave_halves(a, b);
  interleave_halves(b, a);
  interleave_halves(a, b);
  interleave_halves(b, a);
  for (std::ptrdiff_t i = 0; i < kPatch; ++i) hn::StoreU(a[i], tag, to + i * to_stride);
}

#endif

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
