// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/distserve.hpp"

#include <gtest/gtest.h>

namespace sluice::scheduler {
namespace {

constexpr RequestShape kSmall = {.prompt_tokens = 10, .output_tokens_max = 1};

Snapshot with_free(std::int64_t one, std::int64_t two) {
  return {{{.node = 1}}, {{.node = 2, .free_tokens = one}, {.node = 3, .free_tokens = two}}};
}

Decision decide(Policy& policy, const Snapshot& snapshot, const RequestShape& request = kSmall) {
  const Result<Decision> decision = policy.decide(snapshot, request);
  EXPECT_TRUE(decision.has_value());
  return decision ? *decision : Decision{};
}

TEST(DistServe, BothSidesTakeTheFewestRequests) {
  const std::vector<WorkerState> workers = {{.node = 1, .requests = 1, .queued_tokens = 9000},
                                            {.node = 2, .requests = 5, .queued_tokens = 100}};
  const auto policy = create_distserve({});
  const Decision decision = decide(*policy, {workers, workers});
  EXPECT_EQ(decision.prefill_node, 1U);
  EXPECT_EQ(decision.decode_node, 1U);
}

TEST(DistServe, ADecodeWorkerAcceptsOnlyAboveItsShare) {
  const auto policy = create_distserve({});
  EXPECT_EQ(decide(*policy, with_free(1000, 2000)).decode_node, 2U);
  EXPECT_EQ(decide(*policy, with_free(51, 2000)).decode_node, 2U);
  EXPECT_EQ(decide(*policy, with_free(50, 2000)).decode_node, 3U);
  const Decision wait = decide(*policy, with_free(50, 100));
  EXPECT_EQ(wait.verdict, Verdict::kWait);
  EXPECT_EQ(wait.reason, "the decode workers hold back");
  EXPECT_EQ(decide(*policy, with_free(50, 101)).decode_node, 3U);
}

TEST(DistServe, WithoutRoomItWaitsForRoom) {
  const auto policy = create_distserve({});
  decide(*policy, with_free(100, 100));
  const Decision wait = decide(*policy, with_free(9, 10));
  EXPECT_EQ(wait.verdict, Verdict::kWait);
  EXPECT_EQ(wait.reason, "no decode worker has room");
}

// A prompt that takes nearly all of an empty worker is served by it.
TEST(DistServe, TheLargestRequestIsNotShutOut) {
  const auto policy = create_distserve({});
  const Decision decision =
      decide(*policy, with_free(1000, 0), {.prompt_tokens = 900, .output_tokens_max = 100});
  EXPECT_EQ(decision.verdict, Verdict::kPlace);
  EXPECT_EQ(decision.decode_node, 2U);
}

// Who comes back with less memory is measured by that.
TEST(DistServe, ADeadWorkersMemoryIsForgotten) {
  const auto policy = create_distserve({});
  decide(*policy, with_free(10'000, 0));
  EXPECT_EQ(decide(*policy, with_free(400, 0)).verdict, Verdict::kWait);
  Snapshot dead = with_free(0, 20);
  dead.decode[0].alive = false;
  decide(*policy, dead);
  EXPECT_EQ(decide(*policy, with_free(400, 0)).decode_node, 2U);
}

TEST(DistServe, UnknownMemoryAccepts) {
  const auto policy = create_distserve({});
  EXPECT_EQ(decide(*policy, with_free(-1, -1)).decode_node, 2U);
}

}  // namespace
}  // namespace sluice::scheduler
