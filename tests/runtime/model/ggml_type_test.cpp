// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/ggml_type.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(GgmlType, ReadsTheSupportedTypes) {
  EXPECT_EQ(dtype_from_ggml(0), DType::kF32);
  EXPECT_EQ(dtype_from_ggml(1), DType::kF16);
  EXPECT_EQ(dtype_from_ggml(30), DType::kBF16);
  EXPECT_EQ(dtype_from_ggml(2), DType::kQ4_0);
  EXPECT_EQ(dtype_from_ggml(3), DType::kQ4_1);
  EXPECT_EQ(dtype_from_ggml(8), DType::kQ8_0);
  EXPECT_EQ(dtype_from_ggml(12), DType::kQ4_K);
  EXPECT_EQ(dtype_from_ggml(13), DType::kQ5_K);
  EXPECT_EQ(dtype_from_ggml(14), DType::kQ6_K);
}

TEST(GgmlType, NamesTheOthers) {
  EXPECT_EQ(dtype_from_ggml(11), std::nullopt);
  EXPECT_EQ(ggml_type_name(11), "Q3_K");
  EXPECT_EQ(dtype_from_ggml(77), std::nullopt);
  EXPECT_EQ(ggml_type_name(77), "type 77");
}

}  // namespace
}  // namespace sluice::runtime
