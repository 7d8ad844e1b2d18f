// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/ggml_type.hpp"

namespace sluice::runtime {
namespace {

struct GgmlTypeRow {
  std::uint32_t type;
  const char* name;
  std::optional<DType> dtype;
};

// Numbers as the GGUF specification lists them (ggml repository, docs/gguf.md, enum ggml_type).
constexpr GgmlTypeRow kRows[] = {
    {0, "F32", DType::kF32},      {1, "F16", DType::kF16},       {2, "Q4_0", DType::kQ4_0},
    {3, "Q4_1", DType::kQ4_1},    {6, "Q5_0", std::nullopt},     {7, "Q5_1", std::nullopt},
    {8, "Q8_0", DType::kQ8_0},    {9, "Q8_1", std::nullopt},     {10, "Q2_K", std::nullopt},
    {11, "Q3_K", std::nullopt},   {12, "Q4_K", DType::kQ4_K},    {13, "Q5_K", DType::kQ5_K},
    {14, "Q6_K", DType::kQ6_K},   {15, "Q8_K", std::nullopt},    {16, "IQ2_XXS", std::nullopt},
    {17, "IQ2_XS", std::nullopt}, {18, "IQ3_XXS", std::nullopt}, {19, "IQ1_S", std::nullopt},
    {20, "IQ4_NL", std::nullopt}, {21, "IQ3_S", std::nullopt},   {22, "IQ2_S", std::nullopt},
    {23, "IQ4_XS", std::nullopt}, {24, "I8", std::nullopt},      {25, "I16", std::nullopt},
    {26, "I32", std::nullopt},    {27, "I64", std::nullopt},     {28, "F64", std::nullopt},
    {29, "IQ1_M", std::nullopt},  {30, "BF16", DType::kBF16},    {34, "TQ1_0", std::nullopt},
    {35, "TQ2_0", std::nullopt},  {39, "MXFP4", std::nullopt},
};

const GgmlTypeRow* find_row(std::uint32_t type) {
  for (const auto& row : kRows) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

}  // namespace

std::optional<DType> dtype_from_ggml(std::uint32_t type) {
  const auto* row = find_row(type);
  return row != nullptr ? row->dtype : std::nullopt;
}

std::string ggml_type_name(std::uint32_t type) {
  const auto* row = find_row(type);
  return row != nullptr ? row->name : "type " + std::to_string(type);
}

}  // namespace sluice::runtime
