// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/push_operations.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(PushOperations, EachIsFoundOnceByItsNumber) {
  PushOperations operations;
  const auto first = operations.add({nullptr, nullptr, 0, 10, 0});
  const auto second = operations.add({nullptr, nullptr, 0, 20, 0});
  EXPECT_NE(first, 0U);
  EXPECT_NE(first, second);
  EXPECT_EQ(operations.take(first)->bytes, 10U);
  EXPECT_FALSE(operations.take(first).has_value());
  const auto third = operations.add({nullptr, nullptr, 0, 30, 0});
  EXPECT_NE(third, first);  // the same place, another use
  EXPECT_FALSE(operations.take(first).has_value());
  EXPECT_EQ(operations.take(third)->bytes, 30U);
  EXPECT_EQ(operations.take(second)->bytes, 20U);
}

TEST(PushOperations, NumbersOfOthersAreNotFound) {
  PushOperations operations;
  (void)operations.add({});
  for (const comm::OperationId id : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    EXPECT_FALSE(operations.take(id).has_value()) << id;
  }
}

}  // namespace
}  // namespace sluice::runtime
