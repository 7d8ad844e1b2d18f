// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/prefix/known_rows.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::kernels {
namespace {

constexpr std::int64_t kColumns = 2;

// Row i is (first + i, 2).
std::vector<float> rows_from(float first, std::int64_t rows) {
  std::vector<float> values;
  for (std::int64_t row = 0; row < rows; ++row) {
    values.push_back(first + static_cast<float>(row));
    values.push_back(2.0F);
  }
  return values;
}

void observe(KnownRowsLearner& learner, const char* name,
             const std::vector<std::int32_t>& positions, const std::vector<float>& values) {
  learner.observe(name, positions,
                  {values.data(), static_cast<std::int64_t>(positions.size()), kColumns, kColumns});
}

TEST(SquaredDistance, IsOfTwoVectorsOrOfOneFromZero) {
  const std::vector<float> a = {1.0F, -2.0F, 9.0F};
  const std::vector<float> b = {4.0F, 2.0F, 0.0F};
  EXPECT_EQ(squared_distance(a.data(), b.data(), 2), 25.0F);
  EXPECT_EQ(squared_distance(a.data(), nullptr, 3), 86.0F);
  EXPECT_EQ(squared_distance(a.data(), b.data(), 0), 0.0F);
}

TEST(KnownRows, EndWhereOneTensorOfOneCacheDiffers) {
  KnownRowsLearner learner(8);
  std::vector<float> key = rows_from(10.0F, 4);
  std::vector<float> value = rows_from(50.0F, 4);
  observe(learner, "k", {0, 1, 2, 3}, key);
  observe(learner, "v", {0, 1, 2, 3}, value);
  EXPECT_EQ(learner.caches(), 1);
  key[6] += 5.0F;     // the row at position 3
  value[4] += 20.0F;  // the row at position 2
  observe(learner, "k", {0, 1, 2, 3}, key);
  EXPECT_EQ(learner.common(), 0);  // V of the second cache is yet to come
  observe(learner, "v", {0, 1, 2, 3}, value);
  EXPECT_EQ(learner.caches(), 2);
  EXPECT_EQ(learner.common(), 2);
  // One that agrees again does not make up for it.
  observe(learner, "k", {0, 1, 2, 3}, rows_from(10.0F, 4));
  observe(learner, "v", {0, 1, 2, 3}, rows_from(50.0F, 4));
  EXPECT_EQ(learner.common(), 2);
}

TEST(KnownRows, AreTheSameWithinAShareOfTheirLength) {
  // |(4, 2)|^2 = 20: the bound on the squared distance is 0.02.
  for (const auto& [off, common] : {std::pair{0.14F, 2}, std::pair{0.15F, 1}}) {
    KnownRowsLearner learner(8);
    observe(learner, "k", {0, 1}, {4.0F, 2.0F, 4.0F, 2.0F});
    observe(learner, "k", {0, 1}, {4.0F, 2.0F, 4.0F + off, 2.0F});
    EXPECT_EQ(learner.common(), common) << off;
  }
}

TEST(KnownRows, EndAtAMissingPositionAndAtTheMostTokens) {
  KnownRowsLearner gap(8);
  observe(gap, "k", {0, 1, 2, 3}, rows_from(1.0F, 4));
  observe(gap, "k", {0, 2, 3}, {1.0F, 2.0F, 3.0F, 2.0F, 4.0F, 2.0F});
  EXPECT_EQ(gap.common(), 1);
  KnownRowsLearner late(8);
  observe(late, "k", {1, 2}, rows_from(1.0F, 2));
  EXPECT_EQ(late.common(), 0);
  KnownRowsLearner few(3);
  for (int cache = 0; cache < 2; ++cache) observe(few, "k", {0, 1, 2, 3}, rows_from(1.0F, 4));
  EXPECT_EQ(few.common(), 3);
  // A cache's parts, one level after the other, are put together by position.
  KnownRowsLearner parts(8);
  observe(parts, "k", {0, 2}, {1.0F, 2.0F, 3.0F, 2.0F});
  observe(parts, "k", {1}, {2.0F, 2.0F});
  EXPECT_EQ(parts.caches(), 1);
  EXPECT_EQ(parts.common(), 3);
}

TEST(KnownRows, AreTheFirstCachesInTheProfile) {
  KnownRowsLearner learner(8);
  observe(learner, "k", {0, 1, 2}, rows_from(10.0F, 3));
  observe(learner, "k", {0, 1, 2}, rows_from(10.01F, 3));
  Profile profile;
  learner.finish(2, profile);
  const auto rows = profile.find("k");
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->dtype, DType::kF32);
  ASSERT_EQ(rows->rank, 2);
  EXPECT_EQ(rows->shape[0], 2);
  EXPECT_EQ(rows->shape[1], kColumns);
  EXPECT_EQ(std::vector<float>(rows->as<float>(), rows->as<float>() + 4), rows_from(10.0F, 2));
  learner.finish(0, profile);
  EXPECT_EQ(profile.find("k")->shape[0], 0);
}

}  // namespace
}  // namespace sluice::kernels
