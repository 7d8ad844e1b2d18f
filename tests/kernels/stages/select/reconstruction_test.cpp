// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/reconstruction.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/attention_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

// A prompt of 50 tokens, and 40 that come when it is repeated.
constexpr std::int64_t kTokens = 50;

class Reconstruction : public ::testing::Test {
 protected:
  // The largest weight that queries [first, last) put on a key.
  float most(std::int64_t kv_head, std::int64_t key, std::int64_t first, std::int64_t last) const {
    double most = 0;
    layer_.mass(kv_head, key, first, last, &most);
    return static_cast<float>(most);
  }

  AttentionCase layer_{90, 4, 2, 16};
};

TEST_F(Reconstruction, ATokenIsWorthItsLargestWeight) {
  ReconstructionCollector collector(2, 2, kTokens);
  collector.begin_part(0, kTokens);
  collector.observe(layer_.piece(1, kTokens, 60)).value();
  collector.observe(layer_.piece(1, 60, 90)).value();
  for (std::int64_t kv_head = 0; kv_head < 2; ++kv_head) {
    for (std::int64_t key = 0; key < kTokens; ++key) {
      const auto at = static_cast<std::size_t>(kv_head * kTokens + key);
      ASSERT_NEAR(collector.peaks(1)[at], most(kv_head, key, kTokens, 90), 1e-4) << key;
      ASSERT_EQ(collector.peaks(0)[at], 0.0F) << "a layer that was not seen";
    }
  }
}

TEST_F(Reconstruction, APartGivesNothingToOtherParts) {
  ReconstructionCollector collector(2, 2, kTokens);
  collector.begin_part(0, 20);
  collector.observe(layer_.piece(1, kTokens, 70)).value();
  collector.begin_part(20, 45);
  collector.observe(layer_.piece(1, 70, 90)).value();
  const auto& peaks = collector.peaks(1);
  EXPECT_NEAR(peaks[19], most(0, 19, kTokens, 70), 1e-4);
  EXPECT_NEAR(peaks[20], most(0, 20, 70, 90), 1e-4);
  EXPECT_NEAR(peaks[kTokens + 44], most(1, 44, 70, 90), 1e-4);
  EXPECT_EQ(peaks[45], 0.0F);
}

TEST_F(Reconstruction, QueriesOfThePromptItselfAreRefused) {
  ReconstructionCollector collector(2, 2, kTokens);
  collector.begin_part(0, kTokens);
  EXPECT_THAT(collector.observe(layer_.piece(1, kTokens - 1, 90)).error().message,
              HasSubstr("not behind the prompt"));
  EXPECT_FALSE(collector.observe(layer_.piece(2, kTokens, 90)).has_value());
}

}  // namespace
}  // namespace sluice::kernels
