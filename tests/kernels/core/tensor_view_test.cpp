// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/tensor_view.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(TensorView, CountsElementsAndBytesOfPlainAndBlockTypes) {
  TensorView view{.data = nullptr, .dtype = DType::kF32, .rank = 2, .shape = {3, 64}};
  EXPECT_EQ(view.elements(), 192);
  EXPECT_EQ(view.bytes(), 768U);
  view.dtype = DType::kQ8_0;
  EXPECT_EQ(view.bytes(), 192U / 32U * 34U);
  EXPECT_EQ(TensorView{}.elements(), 1);
}

}  // namespace
}  // namespace sluice
