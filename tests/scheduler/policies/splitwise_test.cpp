// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/splitwise.hpp"

#include <gtest/gtest.h>

namespace sluice::scheduler {
namespace {

TEST(Splitwise, BothPoolsGoByTokensNotByRequests) {
  const std::vector<WorkerState> workers = {{.node = 1, .requests = 1, .queued_tokens = 9000},
                                            {.node = 2, .requests = 5, .queued_tokens = 100}};
  const Result<Decision> decision = create_splitwise({})->decide({workers, workers}, {});
  ASSERT_TRUE(decision.has_value());
  EXPECT_EQ(decision->prefill_node, 2U);
  EXPECT_EQ(decision->decode_node, 2U);
}

TEST(Splitwise, RequestsBreakTies) {
  const std::vector<WorkerState> workers = {{.node = 1, .requests = 3, .queued_tokens = 100},
                                            {.node = 2, .requests = 2, .queued_tokens = 100}};
  const Result<Decision> decision = create_splitwise({})->decide({workers, workers}, {});
  ASSERT_TRUE(decision.has_value());
  EXPECT_EQ(decision->prefill_node, 2U);
  EXPECT_EQ(decision->decode_node, 2U);
}

}  // namespace
}  // namespace sluice::scheduler
