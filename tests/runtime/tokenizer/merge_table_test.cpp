// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/merge_table.hpp"

#include <gtest/gtest.h>

#include <random>

namespace sluice::runtime {
namespace {

using Ids = std::vector<TokenId>;

Ids merged(const std::vector<MergeRule>& rules, Ids symbols) {
  const MergeTable table(rules);
  Merger merger(table);
  merger.apply(symbols);
  return symbols;
}

// The definition: find the lowest rank, leftmost first, until there is none. Quadratic.
Ids merged_by_definition(const std::vector<MergeRule>& rules, Ids symbols) {
  const MergeTable table(rules);
  while (true) {
    const MergeTable::Merge* best = nullptr;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto* merge = table.find(symbols[i], symbols[i + 1]);
      if (merge == nullptr || (best != nullptr && merge->rank >= best->rank)) continue;
      best = merge;
      place = i;
    }
    if (best == nullptr) return symbols;
    symbols[place] = best->merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

TEST(MergeTable, FindsItsRulesOnly) {
  const std::vector<MergeRule> rules = {{1, 2, 3, 7}, {2, 1, 4, 8}};
  const MergeTable table(rules);
  ASSERT_NE(table.find(1, 2), nullptr);
  EXPECT_EQ(table.find(1, 2)->merged, 3);
  EXPECT_EQ(table.find(2, 1)->rank, 8);
  EXPECT_EQ(table.find(2, 2), nullptr);
  EXPECT_EQ(MergeTable({}).find(0, 0), nullptr);
}

TEST(Merger, LowestRankFirstThenLeftmost) {
  const std::vector<MergeRule> rules = {{1, 1, 2, 0}, {1, 3, 4, 1}, {2, 3, 5, 2}};
  EXPECT_EQ(merged(rules, {1, 1, 1}), (Ids{2, 1}));
  EXPECT_EQ(merged(rules, {1, 1, 3}), Ids{5});
  EXPECT_EQ(merged(rules, {3, 1}), (Ids{3, 1}));
  EXPECT_EQ(merged(rules, {}), Ids{});
}

TEST(Merger, ShortAndLongPathsFollowTheDefinition) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    // Symbols 0-2 and up to 40 merged ones; few ranks, so that many are equal.
    std::vector<MergeRule> rules;
    for (TokenId merged_id = 3; merged_id < 40; ++merged_id) {
      const auto bound = static_cast<unsigned>(merged_id);
      rules.push_back({static_cast<TokenId>(random() % bound),
                       static_cast<TokenId>(random() % bound), merged_id,
                       static_cast<std::int32_t>(random() % 20)});
    }
    Ids symbols(1 + random() % 120);
    for (auto& symbol : symbols) symbol = static_cast<TokenId>(random() % 3);
    ASSERT_EQ(merged(rules, symbols), merged_by_definition(rules, symbols)) << round;
  }
}

}  // namespace
}  // namespace sluice::runtime
