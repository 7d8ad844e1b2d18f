// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/plane_rules.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::kernels {
namespace {

SymbolShape shape_of(std::size_t columns, std::int64_t rows_together) {
  SymbolShape shape;
  shape.bits.assign(columns, 4);
  shape.context.assign(columns, 0);
  shape.rows_together = rows_together;
  return shape;
}

TEST(SymbolShapes, MustFitTheRows) {
  EXPECT_TRUE(is_consistent(shape_of(6, 1), 6, 1));
  EXPECT_TRUE(is_consistent(shape_of(12, 2), 6, 4));
  EXPECT_FALSE(is_consistent(shape_of(6, 1), 7, 1));
  EXPECT_FALSE(is_consistent(shape_of(12, 2), 6, 3));  // tiles would cut a row of symbols
  EXPECT_FALSE(is_consistent(shape_of(0, 0), 6, 1));
  EXPECT_FALSE(is_consistent(shape_of(6, 1), 6, 0));
  SymbolShape wide = shape_of(6, 1);
  wide.bits[5] = 9;
  EXPECT_FALSE(is_consistent(wide, 6, 1));
  SymbolShape short_of_contexts = shape_of(6, 1);
  short_of_contexts.context.pop_back();
  EXPECT_FALSE(is_consistent(short_of_contexts, 6, 1));
}

TEST(NotFinite, NamesLayerAndToken) {
  const std::vector<std::int32_t> positions{4, 9, 17};
  CacheShape shape;
  shape.head_dim = 4;
  Plane plane;
  plane.shape = &shape;
  plane.head_count = 3;
  plane.layer_first = 8;
  plane.half = KvHalf::kValue;
  plane.positions = positions;
  const Error error = not_finite(plane, 2 * plane.head_count * shape.head_dim, 1);
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.message,
            "V holds a NaN or an infinity in layer 10 at token 9, and its pipeline keeps finite "
            "numbers only");
  // Of a joint plane, the sixth block of columns is V of its third layer.
  plane.half = KvHalf::kBoth;
  EXPECT_EQ(not_finite(plane, 5 * plane.head_count * shape.head_dim, 1).message, error.message);
}

}  // namespace
}  // namespace sluice::kernels
