// SPDX-License-Identifier: Apache-2.0
// Every output is the sum of 32 running sums, sum j over the elements k with k % 32 == j in order
// of k, folded by halves at the end. One vector and many vectors follow the same order, by way of
// registers or of a buffer of decoded weights, and so give the same bits.
#include "kernels/linear/matvec.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/core/check.hpp"
#include "kernels/linear/dequantize.hpp"

// Scalable vectors cannot be kept in arrays, as the accumulators here are.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/linear/matvec.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/linear/weight_chunk-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

// Rows and vectors in flight: as many accumulators as the registers hold beside the weights.
#if HWY_CAP_GE512
constexpr std::size_t kRowTile = 4;
constexpr std::size_t kVectorTile = 2;
#elif HWY_CAP_GE256
constexpr std::size_t kRowTile = 2;
constexpr std::size_t kVectorTile = 1;
#else
constexpr std::size_t kRowTile = 1;
constexpr std::size_t kVectorTile = 1;
#endif

// Columns decoded at a time for several vectors: four rows of them are 8 KB, well inside L1.
constexpr std::size_t kPanelChunks = 16;
constexpr std::size_t kBatchMax = 16;

// What a call works on, with sizes as unsigned as the pointers' arithmetic.
struct Problem {
  const std::uint8_t* weights;  // of the first row
  std::size_t row_bytes;
  std::size_t rows;
  std::size_t columns;
  const float* x;
  std::size_t count;
  float* y;
  std::size_t y_stride;
};

// The sum of a vector's lanes, upper half onto lower half until one is left.
template <class D>
HWY_INLINE float fold_lanes(D tag, hn::Vec<D> sums) {
#if HWY_TARGET == HWY_SCALAR
  (void)tag;
  return hn::GetLane(sums);
#else
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    return fold_lanes(half, hn::Add(hn::LowerHalf(half, sums), hn::UpperHalf(half, sums)));
  } else {
    sums = hn::Add(sums, hn::Shuffle1032(sums));
    return hn::GetLane(hn::Add(sums, hn::Shuffle2301(sums)));
  }
#endif
}

HWY_INLINE float fold(Vector* sums) {
  for (std::size_t count = kChunkVectors / 2; count > 0; count /= 2) {
    for (std::size_t v = 0; v < count; ++v) sums[v] = hn::Add(sums[v], sums[v + count]);
  }
  return fold_lanes(FloatTag(), sums[0]);
}

// The last columns of a plain row, filled up with zeros to a chunk. Block types have none.
template <DType dtype>
HWY_INLINE void decode_tail(const std::uint8_t* row, std::size_t chunk, std::size_t tail,
                            Vector* w) {
  std::uint8_t padded[kChunk * sizeof(float)] = {};
  const std::size_t element_bytes = dtype == DType::kF32 ? 4 : 2;
  std::memcpy(padded, row + chunk * kChunk * element_bytes, tail * element_bytes);
  WeightChunk<dtype>::decode(padded, 0, w);
}

template <DType dtype>
constexpr bool kIsPlain =
    dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;

HWY_INLINE void multiply_add(const Vector* w, const float* x, Vector* sums) {
  for (std::size_t v = 0; v < kChunkVectors; ++v) {
    sums[v] = hn::MulAdd(w[v], hn::LoadU(FloatTag(), x + v * kLanes), sums[v]);
  }
}

// What a tile of rows will need a few tiles later, `kBytes` of it: the rows of a tile lie one after
// another, but are read side by side, which hardware prefetchers follow badly. Past the end of the
// weights a prefetch does nothing.
constexpr std::size_t kPrefetchBytes = 4096;
template <std::size_t kBytes>
HWY_INLINE void prefetch_ahead(const std::uint8_t* at) {
  for (std::size_t i = 0; i < kBytes; i += 64) hwy::Prefetch(at + kPrefetchBytes + i);
}

// One vector: weights go from memory through registers into the sums of kRows rows.
template <DType dtype, std::size_t kRows>
HWY_INLINE void rows_by_one(const Problem& problem, std::size_t row, const float* tail_x) {
  using Chunk = WeightChunk<dtype>;
  const std::uint8_t* first = problem.weights + row * problem.row_bytes;
  Vector sums[kRows][kChunkVectors];
  for (auto& of_row : sums) {
    for (auto& sum : of_row) sum = hn::Zero(FloatTag());
  }
  const std::size_t chunks = problem.columns / kChunk;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    Vector w[kChunkVectors];
    if constexpr (Chunk::kScales != 0) {
      const std::uint8_t* block = first + chunk * Chunk::kBlockBytes;
      prefetch_ahead<kRows * Chunk::kBlockBytes>(first + chunk * kRows * Chunk::kBlockBytes);
      float scales[8];
      half_values<kRows, Chunk::kScales>(block, problem.row_bytes, scales);
      for (std::size_t r = 0; r < kRows; ++r) {
        Chunk::decode_block(block + r * problem.row_bytes, scales + r * Chunk::kScales, w);
        multiply_add(w, problem.x + chunk * kChunk, sums[r]);
      }
    } else {
      for (std::size_t r = 0; r < kRows; ++r) {
        Chunk::decode(first + r * problem.row_bytes, chunk, w);
        multiply_add(w, problem.x + chunk * kChunk, sums[r]);
      }
    }
  }
  if constexpr (kIsPlain<dtype>) {
    const std::size_t tail = problem.columns % kChunk;
    for (std::size_t r = 0; tail != 0 && r < kRows; ++r) {
      Vector w[kChunkVectors];
      decode_tail<dtype>(first + r * problem.row_bytes, chunks, tail, w);
      multiply_add(w, tail_x, sums[r]);
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) problem.y[row + r] = fold(sums[r]);
}

template <DType dtype>
void by_one(const Problem& problem) {
  HWY_ALIGN float tail_x[kChunk] = {};
  const std::size_t tail = problem.columns % kChunk;
  std::copy_n(problem.x + problem.columns - tail, tail, tail_x);
  std::size_t row = 0;
  for (; row + kRowTile <= problem.rows; row += kRowTile) {
    rows_by_one<dtype, kRowTile>(problem, row, tail_x);
  }
  for (; row < problem.rows; ++row) rows_by_one<dtype, 1>(problem, row, tail_x);
}

// The running sums of up to 16 vectors with up to kRowTile rows, and the decoded weights.
struct Panel {
  HWY_ALIGN float weights[kRowTile][kPanelChunks * kChunk];
  HWY_ALIGN float sums[kBatchMax][kRowTile][kChunk];
};

// `chunks` decoded chunks of kRows rows with kVectors vectors from x on (vectors x_stride apart).
template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void panel_tile(Panel& panel, std::size_t vector, const float* x, std::size_t x_stride,
                           std::size_t chunks) {
  const FloatTag tag;
  Vector sums[kVectors][kRows][kChunkVectors];
  for (std::size_t m = 0; m < kVectors; ++m) {
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t v = 0; v < kChunkVectors; ++v) {
        sums[m][r][v] = hn::Load(tag, panel.sums[vector + m][r] + v * kLanes);
      }
    }
  }
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
      const std::size_t column = chunk * kChunk + v * kLanes;
      Vector w[kRows];
      for (std::size_t r = 0; r < kRows; ++r) w[r] = hn::Load(tag, panel.weights[r] + column);
      for (std::size_t m = 0; m < kVectors; ++m) {
        const Vector value = hn::LoadU(tag, x + m * x_stride + column);
        for (std::size_t r = 0; r < kRows; ++r) {
          sums[m][r][v] = hn::MulAdd(w[r], value, sums[m][r][v]);
        }
      }
    }
  }
  for (std::size_t m = 0; m < kVectors; ++m) {
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t v = 0; v < kChunkVectors; ++v) {
        hn::Store(sums[m][r][v], tag, panel.sums[vector + m][r] + v * kLanes);
      }
    }
  }
}

template <std::size_t kRows>
HWY_INLINE void panel_times(Panel& panel, std::size_t count, const float* x, std::size_t x_stride,
                            std::size_t chunks) {
  std::size_t m = 0;
  for (; m + kVectorTile <= count; m += kVectorTile) {
    panel_tile<kRows, kVectorTile>(panel, m, x + m * x_stride, x_stride, chunks);
  }
  for (; m < count; ++m) panel_tile<kRows, 1>(panel, m, x + m * x_stride, x_stride, chunks);
}

template <DType dtype, std::size_t kRows>
void rows_by_many(const Problem& problem, std::size_t row, const float* tail_x) {
  const std::uint8_t* first = problem.weights + row * problem.row_bytes;
  Panel panel;
  std::memset(panel.sums, 0, sizeof panel.sums);
  const auto store = [&panel](const Vector* w, std::size_t r, std::size_t chunk) HWY_ATTR {
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
      hn::Store(w[v], FloatTag(), panel.weights[r] + chunk * kChunk + v * kLanes);
    }
  };
  const std::size_t chunks = problem.columns / kChunk;
  for (std::size_t begin = 0; begin < chunks; begin += kPanelChunks) {
    const std::size_t width = std::min(kPanelChunks, chunks - begin);
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t chunk = 0; chunk < width; ++chunk) {
        Vector w[kChunkVectors];
        WeightChunk<dtype>::decode(first + r * problem.row_bytes, begin + chunk, w);
        store(w, r, chunk);
      }
    }
    panel_times<kRows>(panel, problem.count, problem.x + begin * kChunk, problem.columns, width);
  }
  if constexpr (kIsPlain<dtype>) {
    const std::size_t tail = problem.columns % kChunk;
    for (std::size_t r = 0; tail != 0 && r < kRows; ++r) {
      Vector w[kChunkVectors];
      decode_tail<dtype>(first + r * problem.row_bytes, chunks, tail, w);
      store(w, r, 0);
    }
    if (tail != 0) panel_times<kRows>(panel, problem.count, tail_x, kChunk, 1);
  }
  for (std::size_t m = 0; m < problem.count; ++m) {
    for (std::size_t r = 0; r < kRows; ++r) {
      Vector sums[kChunkVectors];
      for (std::size_t v = 0; v < kChunkVectors; ++v) {
        sums[v] = hn::Load(FloatTag(), panel.sums[m][r] + v * kLanes);
      }
      problem.y[m * problem.y_stride + row + r] = fold(sums);
    }
  }
}

template <DType dtype>
void by_many(const Problem& problem) {
  HWY_ALIGN float tail_x[kBatchMax][kChunk] = {};
  const std::size_t tail = problem.columns % kChunk;
  for (std::size_t m = 0; m < problem.count; ++m) {
    std::copy_n(problem.x + (m + 1) * problem.columns - tail, tail, tail_x[m]);
  }
  std::size_t row = 0;
  for (; row + kRowTile <= problem.rows; row += kRowTile) {
    rows_by_many<dtype, kRowTile>(problem, row, tail_x[0]);
  }
  for (; row < problem.rows; ++row) rows_by_many<dtype, 1>(problem, row, tail_x[0]);
}

template <DType dtype>
void multiply(const Problem& problem) {
  if (problem.count == 1) return by_one<dtype>(problem);
  for (std::size_t m = 0; m < problem.count; m += kBatchMax) {
    Problem part = problem;
    part.count = std::min(kBatchMax, problem.count - m);
    part.x += m * problem.columns;
    part.y += m * problem.y_stride;
    by_many<dtype>(part);
  }
}

void matvec_target(const TensorView& weights, RowRange rows, Activations x, float* y,
                   std::int64_t y_stride) {
  Problem problem{};
  problem.columns = static_cast<std::size_t>(weight_columns(weights));
  problem.row_bytes = row_bytes(weights.dtype, weight_columns(weights));
  problem.weights = reinterpret_cast<const std::uint8_t*>(weights.data) +
                    static_cast<std::size_t>(rows.first) * problem.row_bytes;
  problem.rows = static_cast<std::size_t>(rows.last - rows.first);
  problem.x = x.data;
  problem.count = static_cast<std::size_t>(x.count);
  problem.y = y;
  problem.y_stride = static_cast<std::size_t>(y_stride);
  switch (weights.dtype) {
    case DType::kF32:
      return multiply<DType::kF32>(problem);
    case DType::kF16:
      return multiply<DType::kF16>(problem);
    case DType::kBF16:
      return multiply<DType::kBF16>(problem);
    case DType::kQ8_0:
      return multiply<DType::kQ8_0>(problem);
    case DType::kQ4_0:
      return multiply<DType::kQ4_0>(problem);
    case DType::kQ4_1:
      return multiply<DType::kQ4_1>(problem);
    case DType::kQ4_K:
      return multiply<DType::kQ4_K>(problem);
    case DType::kQ5_K:
      return multiply<DType::kQ5_K>(problem);
    case DType::kQ6_K:
      return multiply<DType::kQ6_K>(problem);
    case DType::kI32:
    case DType::kU8:
      break;
  }
  SLUICE_CHECK(false, "not a dtype of weights");
}

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(matvec_target);

void matvec(const TensorView& weights, RowRange rows, Activations x, float* y,
            std::int64_t y_stride) {
  SLUICE_CHECK(rows.first >= 0 && rows.first <= rows.last && rows.last <= weight_rows(weights),
               "rows outside the tensor");
  if (rows.first == rows.last || x.count <= 0) return;
  HWY_DYNAMIC_DISPATCH(matvec_target)(weights, rows, x, y, y_stride);
}

}  // namespace sluice::kernels
#endif
