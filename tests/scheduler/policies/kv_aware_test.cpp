// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/kv_aware.hpp"

#include <gtest/gtest.h>

namespace sluice::scheduler {
namespace {

// The prefix is on node 1, which is busier by `queued` tokens.
std::uint32_t chosen(std::int64_t queued, std::int64_t cached, double load_weight) {
  const std::vector<WorkerState> workers = {
      {.node = 1, .queued_tokens = queued, .cached_tokens = cached}, {.node = 2}};
  const auto policy = create_kv_aware({.load_weight = load_weight});
  const Result<Decision> decision =
      policy->decide({workers, workers}, {.prompt_tokens = 1000, .output_tokens_max = 10});
  EXPECT_TRUE(decision.has_value());
  EXPECT_EQ(decision->prefill_node, decision->decode_node);
  return decision->prefill_node;
}

TEST(KvAware, APrefixIsWorthItsTokens) {
  EXPECT_EQ(chosen(499, 500, 1.0), 1U);
  EXPECT_EQ(chosen(500, 500, 1.0), 1U);
  EXPECT_EQ(chosen(501, 500, 1.0), 2U);
}

TEST(KvAware, TheWeightIsThatOfLoad) {
  EXPECT_EQ(chosen(900, 500, 0.5), 1U);
  EXPECT_EQ(chosen(1100, 500, 0.5), 2U);
  EXPECT_EQ(chosen(1'000'000, 500, 0.0), 1U);
  EXPECT_EQ(chosen(300, 500, 2.0), 2U);
}

TEST(KvAware, NoMoreThanThePromptIsSaved) {
  EXPECT_EQ(chosen(1001, 5000, 1.0), 2U);
  EXPECT_EQ(chosen(999, 5000, 1.0), 1U);
}

TEST(KvAware, WithoutPrefixesLoadDecides) {
  EXPECT_EQ(chosen(1, 0, 1.0), 2U);
  EXPECT_EQ(chosen(0, 0, 1.0), 1U);
}

}  // namespace
}  // namespace sluice::scheduler
