// SPDX-License-Identifier: Apache-2.0
// Element types of tensors, plain and in blocks, and the BF16 and FP16 conversions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#define SLUICE_HOST_DEVICE __host__ __device__
#else
#define SLUICE_HOST_DEVICE
#endif

namespace sluice {

// The block types are GGML's (a run of elements sharing scales); values are ours, not the file's.
enum class DType : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kI32,
  kU8,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ4_K,
  kQ5_K,
  kQ6_K,
};

// "f32", "bf16", "q4_1", ...
const char* dtype_name(DType dtype);

// Elements that share one block: 1 for plain types, 32 for Q8_0/Q4_0/Q4_1, 256 for the K types.
std::size_t dtype_block_elements(DType dtype);

// Bytes of one block (of one element for plain types).
std::size_t dtype_block_bytes(DType dtype);

SLUICE_HOST_DEVICE inline float f32_from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

// Round to nearest, ties to even; a NaN stays a (quiet) NaN.
SLUICE_HOST_DEVICE inline std::uint16_t bf16_from_f32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) {
    return static_cast<std::uint16_t>((bits >> 16) | 0x0040U);
  }
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

// IEEE binary16, subnormals included.
SLUICE_HOST_DEVICE inline float f32_from_f16(std::uint16_t half) {
  const std::uint32_t sign = (std::uint32_t{half} & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fU;
  const std::uint32_t mantissa = half & 0x3ffU;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  // Zero and subnormals: mantissa * 2^-24, exact in FP32.
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
  return sign != 0 ? -magnitude : magnitude;
}

}  // namespace sluice
