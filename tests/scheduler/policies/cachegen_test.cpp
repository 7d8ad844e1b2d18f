// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/cachegen.hpp"

#include <gtest/gtest.h>

namespace sluice::scheduler {
namespace {

Level level(const char* name, double bytes_per_token, double kl) {
  Level made;
  made.pipeline = name;
  made.bytes_per_token = bytes_per_token;
  made.kl = kl;
  return made;
}

// A prompt of 1,000 tokens takes 1 s to prefill and has 10, 5, 4, 2, 1 MB.
class CacheGenRule : public ::testing::Test {
 protected:
  CacheGenRule() {
    table_.prefill_s_per_token = 1e-3;
    table_.levels = {level("int8", 10'000, 0.01), level("cachegen", 5'000, 0.02),
                     level("best", 4'000, 0.01), level("cachegen_low", 2'000, 0.05),
                     level("cachegen_lowest", 1'000, 0.2)};
    snapshot_.prefill = {{.node = 1}};
    snapshot_.decode = {{.node = 2}};
    snapshot_.levels = &table_;
  }

  void set_rate(double bytes_per_s) {
    snapshot_.links = {{.prefill_node = 1, .decode_node = 2, .figures = {}}};
    snapshot_.links[0].figures.free_bytes_per_s = bytes_per_s;
  }

  std::int32_t chosen() const {
    const Result<Decision> decision = create_cachegen({})->decide(snapshot_, request_);
    EXPECT_TRUE(decision.has_value());
    return decision ? decision->level : -99;
  }

  LevelTable table_;
  Snapshot snapshot_;
  RequestShape request_ = {.prompt_tokens = 1000, .output_tokens_max = 10, .ttft_slo_s = 2.0};
};

TEST_F(CacheGenRule, TakesTheFinestThatFits) {
  set_rate(5.1e6);
  EXPECT_EQ(chosen(), 1);
  set_rate(4.9e6);
  EXPECT_EQ(chosen(), 3);
  set_rate(2.1e6);
  EXPECT_EQ(chosen(), 3);
  set_rate(1.9e6);
  EXPECT_EQ(chosen(), 4);
  set_rate(1e9);
  EXPECT_EQ(chosen(), 1);  // never one of another method
}

TEST_F(CacheGenRule, TheCoarsestWhenNoneFits) {
  set_rate(1e3);
  EXPECT_EQ(chosen(), 4);
}

TEST_F(CacheGenRule, CountsWhatHasPassedAndWhatIsQueued) {
  set_rate(5.1e6);
  request_.waited_s = 0.1;
  EXPECT_EQ(chosen(), 3);
  request_.waited_s = 0.0;
  snapshot_.prefill[0].queued_tokens = 500;
  EXPECT_EQ(chosen(), 3);
  snapshot_.prefill[0].queued_tokens = 0;
  request_.ttft_slo_s = 1.5;
  EXPECT_EQ(chosen(), 3);
  snapshot_.prefill[0].cached_tokens = 600;  // what is cached is not computed
  EXPECT_EQ(chosen(), 1);
}

TEST_F(CacheGenRule, WithoutAnyThroughputTheOneBetween) {
  EXPECT_EQ(chosen(), 3);
  snapshot_.assumed_bytes_per_s = 1e9;
  EXPECT_EQ(chosen(), 1);
  set_rate(1e3);  // of the link is better than assumed
  EXPECT_EQ(chosen(), 4);
}

TEST_F(CacheGenRule, NoneIsCoarserThanAccepted) {
  set_rate(1e3);
  request_.kl_max = 0.1;
  EXPECT_EQ(chosen(), 3);
  request_.kl_max = 0.001;  // the best there is
  EXPECT_EQ(chosen(), 1);
}

TEST_F(CacheGenRule, WithoutItsLevelsThePipelineOfTheCluster) {
  set_rate(1e9);
  table_.levels = {level("int8", 10'000, 0.01)};
  EXPECT_EQ(chosen(), -1);
  snapshot_.levels = nullptr;
  EXPECT_EQ(chosen(), -1);
}

}  // namespace
}  // namespace sluice::scheduler
