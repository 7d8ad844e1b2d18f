// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/dtype.hpp"

#include <array>

#include "kernels/core/check.hpp"

namespace sluice {
namespace {

struct DTypeRow {
  DType dtype;
  const char* name;
  std::size_t block_elements;
  std::size_t block_bytes;
};

// Block layouts as GGML documents them: Q4_1 is two FP16 and 16 bytes of nibbles, and so on.
constexpr std::array<DTypeRow, 11> kRows{{
    {DType::kF32, "f32", 1, 4},
    {DType::kF16, "f16", 1, 2},
    {DType::kBF16, "bf16", 1, 2},
    {DType::kI32, "i32", 1, 4},
    {DType::kU8, "u8", 1, 1},
    {DType::kQ8_0, "q8_0", 32, 34},
    {DType::kQ4_0, "q4_0", 32, 18},
    {DType::kQ4_1, "q4_1", 32, 20},
    {DType::kQ4_K, "q4_k", 256, 144},
    {DType::kQ5_K, "q5_k", 256, 176},
    {DType::kQ6_K, "q6_k", 256, 210},
}};

const DTypeRow& row(DType dtype) {
  const auto index = static_cast<std::size_t>(dtype);
  SLUICE_CHECK(index < kRows.size() && kRows[index].dtype == dtype, "unknown dtype");
  return kRows[index];
}

}  // namespace

const char* dtype_name(DType dtype) { return row(dtype).name; }
std::size_t dtype_block_elements(DType dtype) { return row(dtype).block_elements; }
std::size_t dtype_block_bytes(DType dtype) { return row(dtype).block_bytes; }

}  // namespace sluice
