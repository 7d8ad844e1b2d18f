// SPDX-License-Identifier: Apache-2.0
// Both factors are packed into the order in which the innermost loop reads them: panels of b as
// wide as the registers hold (padded with zeros), tiles of a as high as they hold. A tile of sums
// stays in registers over kDepth products, then waits in `out`.
#include "kernels/stages/transform/linear_algebra/multiply.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>

#include "kernels/core/check.hpp"

// Scalable vectors cannot be kept in arrays, as the sums here are.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/transform/linear_algebra/multiply.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef SLUICE_LINEAR_ALGEBRA_PRODUCT
#define SLUICE_LINEAR_ALGEBRA_PRODUCT
namespace sluice::kernels {
namespace {

// out (+)= a * b by strides: a transposed factor is one with its strides exchanged.
template <class InA, class InB, class Out>
struct Product {
  const InA* a;
  std::size_t a_row;
  std::size_t a_depth;
  const InB* b;
  std::size_t b_depth;
  std::size_t b_column;
  Out* out;
  std::size_t out_row;
  std::size_t rows;
  std::size_t depth;
  std::size_t columns;
  bool adds;  // to what `out` holds
};

}  // namespace
}  // namespace sluice::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// As many sums as the registers hold beside a row of b, a broadcast element of a and a product.
#if HWY_CAP_GE512
constexpr std::size_t kRowTile = 8;
constexpr std::size_t kPanelVectors = 3;
#else
constexpr std::size_t kRowTile = 4;
constexpr std::size_t kPanelVectors = 2;
#endif

// A panel of b and a tile of a stay in a 32 KB L1 cache; a block of a's rows in L2.
constexpr std::size_t kDepth = 128;
constexpr std::size_t kRowBlock = 256;

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
constexpr std::size_t kLanes = hn::MaxLanes(Tag<T>());

// sums += a * b for kRowTile rows of kVectors vectors. a: [depth][kRowTile], b: [depth][panel].
template <std::size_t kVectors, class T>
HWY_INLINE void tile(const T* HWY_RESTRICT a, const T* HWY_RESTRICT b, std::size_t depth,
                     bool starts, T* HWY_RESTRICT out, std::size_t out_row) {
  const Tag<T> d;
  hn::Vec<Tag<T>> sums[kRowTile][kVectors];
  for (std::size_t r = 0; r < kRowTile; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums[r][v] = starts ? hn::Zero(d) : hn::LoadU(d, out + r * out_row + v * kLanes<T>);
    }
  }
  for (std::size_t k = 0; k < depth; ++k) {
    hn::Vec<Tag<T>> row[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) row[v] = hn::LoadU(d, b + v * kLanes<T>);
    for (std::size_t r = 0; r < kRowTile; ++r) {
      const auto factor = hn::Set(d, a[r]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[r][v] = hn::Add(sums[r][v], hn::Mul(factor, row[v]));
      }
    }
    a += kRowTile;
    b += kVectors * kLanes<T>;
  }
  for (std::size_t r = 0; r < kRowTile; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(sums[r][v], d, out + r * out_row + v * kLanes<T>);
    }
  }
}

// One tile at the right or lower edge goes by way of a whole one.
template <std::size_t kVectors, class T>
void edge_tile(const T* a, const T* b, std::size_t depth, bool starts, T* out, std::size_t out_row,
               std::size_t rows, std::size_t columns) {
  constexpr std::size_t kWidth = kVectors * kLanes<T>;
  T whole[kRowTile * kWidth] = {};
  for (std::size_t r = 0; r < rows; ++r)
    std::copy_n(out + r * out_row, columns, whole + r * kWidth);
  tile<kVectors>(a, b, depth, starts, whole, kWidth);
  for (std::size_t r = 0; r < rows; ++r)
    std::copy_n(whole + r * kWidth, columns, out + r * out_row);
}

// Rows [first, first + kRowTile) and on, to tiles [depth][kRowTile]; zeros below the last row.
template <class In, class InB, class T>
void pack_rows(const Product<In, InB, T>& product, std::size_t first, std::size_t rows,
               std::size_t k, std::size_t depth, T* packed) {
  for (std::size_t top = 0; top < rows; top += kRowTile, packed += kRowTile * depth) {
    const std::size_t height = std::min(kRowTile, rows - top);
    if (height < kRowTile) std::fill_n(packed, kRowTile * depth, T{0});
    const In* from = product.a + (first + top) * product.a_row + k * product.a_depth;
    for (std::size_t i = 0; i < depth; ++i) {
      for (std::size_t r = 0; r < height; ++r) {
        packed[i * kRowTile + r] = from[r * product.a_row + i * product.a_depth];
      }
    }
  }
}

template <class InA, class In, class T>
void pack_panel(const Product<InA, In, T>& product, std::size_t first, std::size_t panel,
                std::size_t k, std::size_t depth, T* packed) {
  const std::size_t columns = std::min(panel, product.columns - first);
  const In* from = product.b + first * product.b_column + k * product.b_depth;
  if (columns < panel) std::fill_n(packed, panel * depth, T{0});
  if (product.b_column == 1) {
    for (std::size_t i = 0; i < depth; ++i) {
      for (std::size_t c = 0; c < columns; ++c) {
        packed[i * panel + c] = from[i * product.b_depth + c];
      }
    }
    return;
  }
  for (std::size_t c = 0; c < columns; ++c) {
    for (std::size_t i = 0; i < depth; ++i) {
      packed[i * panel + c] = from[c * product.b_column + i * product.b_depth];
    }
  }
}

// The last panel is one vector wide where that is enough: narrow products are common.
template <class T>
HWY_INLINE std::size_t panel_width(std::size_t columns_left) {
  return columns_left <= kLanes<T> ? kLanes<T> : kPanelVectors * kLanes<T>;
}

template <std::size_t kVectors, class InA, class InB, class T>
void panel_times_rows(const Product<InA, InB, T>& product, const T* rows_packed, const T* panel,
                      std::size_t depth, std::size_t first_row, std::size_t rows,
                      std::size_t column, bool starts) {
  const std::size_t columns = std::min(kVectors * kLanes<T>, product.columns - column);
  for (std::size_t r = 0; r < rows; r += kRowTile) {
    const std::size_t height = std::min(kRowTile, rows - r);
    T* out = product.out + (first_row + r) * product.out_row + column;
    if (height == kRowTile && columns == kVectors * kLanes<T>) {
      tile<kVectors>(rows_packed + r * depth, panel, depth, starts, out, product.out_row);
    } else {
      edge_tile<kVectors>(rows_packed + r * depth, panel, depth, starts, out, product.out_row,
                          height, columns);
    }
  }
}

template <class InA, class InB, class T>
void run(const Product<InA, InB, T>& product) {
  const std::size_t width_max = kPanelVectors * kLanes<T>;
  const std::size_t depth_max = std::min(kDepth, product.depth);
  const std::size_t columns_max = product.columns + width_max;
  const std::size_t rows_max = std::min(kRowBlock, product.rows + kRowTile);
  const auto panels = std::make_unique_for_overwrite<T[]>(depth_max * columns_max);
  const auto tiles = std::make_unique_for_overwrite<T[]>(depth_max * rows_max);
  for (std::size_t k = 0; k < product.depth; k += kDepth) {
    const std::size_t depth = std::min(kDepth, product.depth - k);
    const bool starts = k == 0 && !product.adds;
    for (std::size_t c = 0; c < product.columns; c += width_max) {
      const std::size_t panel = panel_width<T>(product.columns - c);
      pack_panel(product, c, panel, k, depth, panels.get() + c * depth);
    }
    for (std::size_t row = 0; row < product.rows; row += kRowBlock) {
      const std::size_t rows = std::min(kRowBlock, product.rows - row);
      pack_rows(product, row, rows, k, depth, tiles.get());
      for (std::size_t c = 0; c < product.columns; c += width_max) {
        const T* panel = panels.get() + c * depth;
        if (panel_width<T>(product.columns - c) == kLanes<T>) {
          panel_times_rows<1>(product, tiles.get(), panel, depth, row, rows, c, starts);
        } else {
          panel_times_rows<kPanelVectors>(product, tiles.get(), panel, depth, row, rows, c, starts);
        }
      }
    }
  }
}

void product_f32(const Product<float, float, float>& product) { run(product); }
void product_bf16(const Product<float, Bf16, float>& product) { run(product); }
void product_f32_to_f64(const Product<float, float, double>& product) { run(product); }
void product_f64(const Product<double, double, double>& product) { run(product); }

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
namespace {

HWY_EXPORT(product_f32);
HWY_EXPORT(product_bf16);
HWY_EXPORT(product_f32_to_f64);
HWY_EXPORT(product_f64);

void dispatch(const Product<float, float, float>& product) {
  HWY_DYNAMIC_DISPATCH(product_f32)(product);
}
void dispatch(const Product<float, Bf16, float>& product) {
  HWY_DYNAMIC_DISPATCH(product_bf16)(product);
}
void dispatch(const Product<float, float, double>& product) {
  HWY_DYNAMIC_DISPATCH(product_f32_to_f64)(product);
}
void dispatch(const Product<double, double, double>& product) {
  HWY_DYNAMIC_DISPATCH(product_f64)(product);
}

enum class Turned { kNone, kA, kB };

// The sizes of a product, checked, and its strides.
template <class A, class B, class Out>
void product(A a, B b, Out out, Turned turned, bool adds = false) {
  const std::int64_t rows = turned == Turned::kA ? a.columns : a.rows;
  const std::int64_t depth = turned == Turned::kA ? a.rows : a.columns;
  const std::int64_t columns = turned == Turned::kB ? b.rows : b.columns;
  SLUICE_CHECK((turned == Turned::kB ? b.columns : b.rows) == depth, "factors do not fit");
  SLUICE_CHECK(out.rows == rows && out.columns == columns, "the product has another shape");
  if (rows == 0 || columns == 0) return;
  if (depth == 0) {
    for (std::int64_t r = 0; !adds && r < rows; ++r) {
      std::fill_n(out.data + r * out.stride, columns, decltype(*out.data + 0){0});
    }
    return;
  }
  Product<std::remove_cvref_t<decltype(*a.data)>, std::remove_cvref_t<decltype(*b.data)>,
          std::remove_cvref_t<decltype(*out.data)>>
      task{};
  task.a = a.data;
  task.a_row = turned == Turned::kA ? 1 : static_cast<std::size_t>(a.stride);
  task.a_depth = turned == Turned::kA ? static_cast<std::size_t>(a.stride) : 1;
  task.b = b.data;
  task.b_depth = turned == Turned::kB ? 1 : static_cast<std::size_t>(b.stride);
  task.b_column = turned == Turned::kB ? static_cast<std::size_t>(b.stride) : 1;
  task.out = out.data;
  task.out_row = static_cast<std::size_t>(out.stride);
  task.rows = static_cast<std::size_t>(rows);
  task.depth = static_cast<std::size_t>(depth);
  task.columns = static_cast<std::size_t>(columns);
  task.adds = adds;
  dispatch(task);
}

}  // namespace

void multiply(ConstMatrix a, ConstMatrix b, Matrix out) { product(a, b, out, Turned::kNone); }
void multiply(ConstMatrix a, ConstMatrixBf16 b, Matrix out) { product(a, b, out, Turned::kNone); }
void multiply_add(ConstMatrix a, ConstMatrix b, Matrix out) {
  product(a, b, out, Turned::kNone, true);
}
void multiply_add(ConstMatrix a, ConstMatrixBf16 b, Matrix out) {
  product(a, b, out, Turned::kNone, true);
}
void multiply(ConstMatrix64 a, ConstMatrix64 b, Matrix64 out) { product(a, b, out, Turned::kNone); }
void multiply_transposed(ConstMatrix a, ConstMatrix b, Matrix out) {
  product(a, b, out, Turned::kB);
}
void multiply_transposed(ConstMatrix64 a, ConstMatrix64 b, Matrix64 out) {
  product(a, b, out, Turned::kB);
}
void transposed_multiply(ConstMatrix a, ConstMatrix b, Matrix out) {
  product(a, b, out, Turned::kA);
}
void add_gram(ConstMatrix a, Matrix64 sum) { product(a, a, sum, Turned::kA, true); }

}  // namespace sluice::kernels
#endif
