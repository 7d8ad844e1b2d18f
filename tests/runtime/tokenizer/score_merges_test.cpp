// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/score_merges.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::runtime {
namespace {

using Pieces = std::vector<std::string>;
using Scores = std::vector<double>;

TEST(ScoreMerges, EveryWayToCutAPieceInTwoIsARule) {
  const Pieces pieces = {"a", "b", "ab", "ba", "aba"};
  const Scores scores = {-9, -9, -1, -3, -2};
  auto rules = merges_from_scores(pieces, scores, std::vector<bool>(5, true)).value();
  std::sort(rules.begin(), rules.end(), [](const auto& x, const auto& y) {
    return std::tie(x.rank, x.left) < std::tie(y.rank, y.left);
  });
  ASSERT_EQ(rules.size(), 4U);
  EXPECT_EQ(rules[0].merged, 2);
  EXPECT_EQ(rules[1].merged, 4);  // a + ba
  EXPECT_EQ(rules[2].merged, 4);  // ab + a, of the same rank
  EXPECT_EQ(rules[1].rank, rules[2].rank);
  EXPECT_EQ(rules[3].merged, 3);
}

TEST(ScoreMerges, CutsBetweenCharactersOnly) {
  const Pieces pieces = {"\xC3", "\xA9", "\u00e9"};
  EXPECT_TRUE(
      merges_from_scores(pieces, Scores{0, 0, 0}, std::vector<bool>(3, true)).value().empty());
}

TEST(ScoreMerges, LeavesOutWhatTakesNoPart) {
  const Pieces pieces = {"a", "b", "ab"};
  EXPECT_TRUE(merges_from_scores(pieces, Scores{0, 0, 0}, {true, true, false}).value().empty());
}

TEST(ScoreMerges, RefusesAbsurdPieces) {
  const Pieces pieces = {std::string(5000, 'a')};
  EXPECT_EQ(merges_from_scores(pieces, Scores{0}, {true}).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::runtime
