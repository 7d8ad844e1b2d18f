// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/convert.hpp"

#include <cstddef>

#include "kernels/core/check.hpp"
#include "kernels/elementwise/parallel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/convert.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/elementwise/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {

template <class From, class To>
HWY_INLINE void convert(const From* from, To* to, std::int64_t width) {
  for_elements(static_cast<std::size_t>(width),
               [&](auto d, std::size_t i) HWY_ATTR { store(d, load(d, from + i), to + i); });
}

template <class From>
HWY_INLINE void convert_to(const From* from, const Rows& to, std::int64_t row, std::int64_t width) {
  if (to.dtype == DType::kF32) {
    convert(from, static_cast<float*>(to.data) + row * to.stride, width);
  } else {
    convert(from, static_cast<std::uint16_t*>(to.data) + row * to.stride, width);
  }
}

void convert_row(const ConstRows& from, std::int64_t from_row, const Rows& to, std::int64_t to_row,
                 std::int64_t width) {
  if (from.dtype == DType::kF32) {
    convert_to(static_cast<const float*>(from.data) + from_row * from.stride, to, to_row, width);
  } else {
    convert_to(static_cast<const std::uint16_t*>(from.data) + from_row * from.stride, to, to_row,
               width);
  }
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
HWY_EXPORT(convert_row);

namespace {
bool is_plain(DType dtype) { return dtype == DType::kF32 || dtype == DType::kBF16; }
}  // namespace

void convert_rows(std::int64_t rows, std::int64_t width, ConstRows from, Rows to) {
  SLUICE_CHECK(is_plain(from.dtype) && is_plain(to.dtype), "rows are FP32 or BF16");
  const auto run = HWY_DYNAMIC_DISPATCH(convert_row);
  parallel_ranges(rows, width, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) run(from, row, to, row, width);
  });
}

void gather_rows(std::span<const std::int32_t> ids, std::int64_t width, ConstRows table, Rows to) {
  SLUICE_CHECK(is_plain(table.dtype) && is_plain(to.dtype), "rows are FP32 or BF16");
  const auto run = HWY_DYNAMIC_DISPATCH(convert_row);
  parallel_ranges(static_cast<std::int64_t>(ids.size()), width,
                  [&](std::int64_t first, std::int64_t last) {
                    for (std::int64_t row = first; row < last; ++row) {
                      run(table, ids[static_cast<std::size_t>(row)], to, row, width);
                    }
                  });
}

}  // namespace sluice::kernels
#endif
