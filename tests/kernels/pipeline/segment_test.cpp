// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/segment.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::kernels {
namespace {

TokenLevels levels_of(std::int64_t heads, std::vector<std::uint8_t> level) {
  TokenLevels levels;
  levels.heads = heads;
  levels.tokens = static_cast<std::int64_t>(level.size()) / heads;
  levels.level = std::move(level);
  return levels;
}

TEST(Segments, AreByHeadThenByLevelWithOriginalPositions) {
  const auto levels = levels_of(2, {1, 0, 255, 1, /* head 1 */ 2, 2, 0, 0});
  const auto segments = segments_to_encode(levels, 10, {0, 2});
  ASSERT_EQ(segments.size(), 3U);
  EXPECT_EQ(segments[0].head_first, 0);
  EXPECT_EQ(segments[0].head_count, 1);
  EXPECT_EQ(segments[0].level, 1);
  EXPECT_EQ(segments[0].positions, (std::vector<std::int32_t>{10, 13}));
  EXPECT_EQ(segments[1].level, kLevelExact);
  EXPECT_EQ(segments[1].positions, (std::vector<std::int32_t>{12}));
  EXPECT_EQ(segments[2].head_first, 1);
  EXPECT_EQ(segments[2].positions, (std::vector<std::int32_t>{10, 11}));
}

// The decoder's rows are packed, head by head, in order of position whatever the level.
TEST(Segments, TheDecoderMakesTheSameListWithPackedRows) {
  const auto levels = levels_of(2, {1, 0, 255, 1, /* head 1 */ 2, 2, 0, 0});
  ByteWriter writer;
  write_level_set(std::span(levels.level).first(4), writer);
  write_level_set(std::span(levels.level).last(4), writer);
  ByteReader reader(writer.bytes());
  std::vector<LevelSet> sets;
  sets.push_back(LevelSet::read(reader, 4).value());
  sets.push_back(LevelSet::read(reader, 4).value());
  const auto expected = segments_to_encode(levels, 10, {0, 2});
  const auto segments = segments_to_decode(sets, 10, 100, {0, 2});
  ASSERT_EQ(segments.size(), expected.size());
  for (std::size_t i = 0; i < segments.size(); ++i) {
    EXPECT_EQ(segments[i].head_first, expected[i].head_first);
    EXPECT_EQ(segments[i].head_count, expected[i].head_count);
    EXPECT_EQ(segments[i].level, expected[i].level);
    EXPECT_EQ(segments[i].positions, expected[i].positions);
  }
  EXPECT_EQ(segments[0].rows, (std::vector<std::int32_t>{100, 102}));
  EXPECT_EQ(segments[1].rows, (std::vector<std::int32_t>{101}));
  EXPECT_EQ(segments[2].rows, (std::vector<std::int32_t>{100, 101}));
}

TEST(Segments, ImportanceFollowsItsRows) {
  auto levels = levels_of(1, {2, 1, 2});
  levels.importance = {0.5F, 1.5F, 2.5F};
  const auto segments = segments_to_encode(levels, 0, {0, 4});
  ASSERT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments[0].importance, (std::vector<float>{1.5F}));
  EXPECT_EQ(segments[1].importance, (std::vector<float>{0.5F, 2.5F}));
  EXPECT_EQ(segments[1].head_count, 4);
}

TEST(Segments, EqualHeadsBecomeOneSet) {
  auto equal = levels_of(3, {1, 0, 1, 0, 1, 0});
  equal.importance = {1, 2, 3, 4, 5, 6};
  merge_equal_heads(equal);
  EXPECT_EQ(equal.heads, 1);
  EXPECT_EQ(equal.level, (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(equal.importance, (std::vector<float>{9, 12}));
  auto different = levels_of(2, {1, 0, 1, 1});
  merge_equal_heads(different);
  EXPECT_EQ(different.heads, 2);
  auto none = levels_of(2, {});
  merge_equal_heads(none);
  EXPECT_EQ(none.heads, 1);
}

TEST(Segments, LevelsOfAWrongShapeAreAnInternalError) {
  EXPECT_TRUE(check_levels(levels_of(1, {0, 1, 8, 255}), 4, 2));
  EXPECT_FALSE(check_levels(levels_of(1, {0, 1, 9, 255}), 4, 2));
  EXPECT_FALSE(check_levels(levels_of(1, {1, 1}), 4, 2));
  EXPECT_FALSE(check_levels(levels_of(3, {1, 1, 1}), 1, 2));
  auto levels = levels_of(2, {1, 1, 1, 1});
  EXPECT_TRUE(check_levels(levels, 2, 2));
  levels.importance = {1.0F};
  EXPECT_FALSE(check_levels(levels, 2, 2));
}

}  // namespace
}  // namespace sluice::kernels
