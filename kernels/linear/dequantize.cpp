// SPDX-License-Identifier: Apache-2.0
// Block layouts: GGML's, as its `gguf` Python package decodes them (the test compares bits). The
// order of the floating-point operations is part of the format, so contraction is off for this
// file.
#include "kernels/linear/dequantize.hpp"

#include <cstring>

#include "kernels/core/check.hpp"

namespace sluice::kernels {
namespace {

constexpr int kSmallBlock = 32;
constexpr int kSuperBlock = 256;

float half_at(const std::uint8_t* bytes) {
  std::uint16_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return f32_from_f16(bits);
}

// FP16 scale, 32 signed bytes.
void block_q8_0(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < kSmallBlock; ++i) {
    out[i] = static_cast<float>(static_cast<std::int8_t>(block[2 + i])) * scale;
  }
}

// FP16 scale, 16 bytes: the low nibbles are elements 0..15, the high ones 16..31; 8 means zero.
void block_q4_0(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 16; ++i) {
    const int byte = block[2 + i];
    out[i] = scale * static_cast<float>((byte & 15) - 8);
    out[i + 16] = scale * static_cast<float>((byte >> 4) - 8);
  }
}

// FP16 scale, FP16 minimum, 16 bytes of nibbles in the order of Q4_0.
void block_q4_1(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    const int byte = block[4 + i];
    out[i] = scale * static_cast<float>(byte & 15) + minimum;
    out[i + 16] = scale * static_cast<float>(byte >> 4) + minimum;
  }
}

// FP16 scale of scales, FP16 scale of minimums, 12 bytes of both for 8 groups of 32, then 128
// bytes: each run of 32 bytes holds one group in its low nibbles and the next in its high ones.
void block_q4_k(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  for (int group = 0; group < 8; ++group) {
    const GroupScale packed = group_scale(block + 4, group);
    const float group_factor = scale * static_cast<float>(packed.scale);
    const float group_offset = minimum * static_cast<float>(packed.minimum);
    const std::uint8_t* codes = block + 16 + group / 2 * 32;
    const int shift = group % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int code = (codes[i] >> shift) & 15;
      out[group * 32 + i] = group_factor * static_cast<float>(code) - group_offset;
    }
  }
}

// As Q4_K with 32 bytes before the codes: bit `group` of byte i is the fifth bit of its element i.
void block_q5_k(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  const std::uint8_t* high = block + 16;
  for (int group = 0; group < 8; ++group) {
    const GroupScale packed = group_scale(block + 4, group);
    const float group_factor = scale * static_cast<float>(packed.scale);
    const float group_offset = minimum * static_cast<float>(packed.minimum);
    const std::uint8_t* codes = block + 48 + group / 2 * 32;
    const int shift = group % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int code = ((codes[i] >> shift) & 15) | (((high[i] >> group) & 1) << 4);
      out[group * 32 + i] = group_factor * static_cast<float>(code) - group_offset;
    }
  }
}

// 128 bytes of low nibbles, 64 bytes of two upper bits, 16 signed scales for runs of 16, FP16
// scale of scales. A half of 128 elements is four runs of 32: low nibbles of 64 bytes, then their
// high nibbles; run r takes bits 2r of its half's 32 bytes of upper bits. 32 means zero.
void block_q6_k(const std::uint8_t* block, float* out) {
  const float scale = half_at(block + 208);
  for (int run = 0; run < 8; ++run) {
    const int half = run / 4;
    const std::uint8_t* low = block + half * 64 + run % 2 * 32;
    const int low_shift = run % 4 / 2 * 4;
    const std::uint8_t* high = block + 128 + half * 32;
    const int high_shift = run % 4 * 2;
    for (int i = 0; i < 32; ++i) {
      const auto group = static_cast<std::int8_t>(block[192 + run * 2 + i / 16]);
      const int code = ((low[i] >> low_shift) & 15) | (((high[i] >> high_shift) & 3) << 4);
      out[run * 32 + i] = scale * static_cast<float>(group) * static_cast<float>(code - 32);
    }
  }
}

template <void (*block_function)(const std::uint8_t*, float*)>
void blocks(DType dtype, const std::uint8_t* bytes, std::int64_t elements, float* out) {
  const auto step = static_cast<std::int64_t>(dtype_block_elements(dtype));
  const std::size_t bytes_step = dtype_block_bytes(dtype);
  for (std::int64_t i = 0; i < elements; i += step, bytes += bytes_step) {
    block_function(bytes, out + i);
  }
}

template <float (*convert)(std::uint16_t)>
void halves(const std::uint8_t* bytes, std::int64_t elements, float* out) {
  for (std::int64_t i = 0; i < elements; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, sizeof bits);
    out[i] = convert(bits);
  }
}

}  // namespace

bool is_weight_dtype(DType dtype) { return dtype != DType::kI32 && dtype != DType::kU8; }

std::int64_t weight_columns(const TensorView& weights) {
  SLUICE_CHECK(weights.rank >= 1 && weights.rank <= kTensorRankMax, "weights need an axis");
  return weights.shape[static_cast<std::size_t>(weights.rank - 1)];
}

std::int64_t weight_rows(const TensorView& weights) {
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < weights.rank; ++axis) {
    rows *= weights.shape[static_cast<std::size_t>(axis)];
  }
  return rows;
}

std::size_t row_bytes(DType dtype, std::int64_t columns) {
  const auto count = static_cast<std::size_t>(columns);
  SLUICE_CHECK(columns >= 0 && count % dtype_block_elements(dtype) == 0,
               "a row of weights must be whole blocks");
  return count / dtype_block_elements(dtype) * dtype_block_bytes(dtype);
}

void dequantize(const TensorView& weights, std::int64_t first_row, std::int64_t rows, float* out) {
  const std::int64_t columns = weight_columns(weights);
  SLUICE_CHECK(first_row >= 0 && rows >= 0 && first_row + rows <= weight_rows(weights),
               "rows outside the tensor");
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(weights.data) +
                      static_cast<std::size_t>(first_row) * row_bytes(weights.dtype, columns);
  const std::int64_t elements = rows * columns;
  switch (weights.dtype) {
    case DType::kF32:
      std::memcpy(out, bytes, static_cast<std::size_t>(elements) * sizeof(float));
      return;
    case DType::kF16:
      return halves<f32_from_f16>(bytes, elements, out);
    case DType::kBF16:
      return halves<f32_from_bf16>(bytes, elements, out);
    case DType::kQ8_0:
      return blocks<block_q8_0>(weights.dtype, bytes, elements, out);
    case DType::kQ4_0:
      return blocks<block_q4_0>(weights.dtype, bytes, elements, out);
    case DType::kQ4_1:
      return blocks<block_q4_1>(weights.dtype, bytes, elements, out);
    case DType::kQ4_K:
      return blocks<block_q4_k>(weights.dtype, bytes, elements, out);
    case DType::kQ5_K:
      return blocks<block_q5_k>(weights.dtype, bytes, elements, out);
    case DType::kQ6_K:
      return blocks<block_q6_k>(weights.dtype, bytes, elements, out);
    case DType::kI32:
    case DType::kU8:
      break;
  }
  SLUICE_CHECK(false, "not a dtype of weights");
}

}  // namespace sluice::kernels
