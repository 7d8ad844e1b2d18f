// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/log_rows.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::runtime {
namespace {

std::vector<float> logs_of(std::vector<float> probabilities) {
  for (float& p : probabilities) p = std::log(p);
  return probabilities;
}

TEST(LogRows, LogitsBecomeLogProbabilitiesHoweverLarge) {
  const float logits[] = {1000.0F, 1000.0F + std::log(3.0F)};
  const auto logs = log_probabilities(logits);
  EXPECT_NEAR(std::exp(logs[0]), 0.25, 1e-4);
  EXPECT_NEAR(std::exp(logs[1]), 0.75, 1e-4);
}

TEST(LogRows, TiesGoToTheLowestToken) {
  const float row[] = {-2.0F, -1.0F, -1.0F};
  EXPECT_EQ(most_probable(row), 1);
}

TEST(LogRows, DifferencesAreMeansOverTheRows) {
  const LogRows full{logs_of({0.5F, 0.25F, 0.25F}), logs_of({0.1F, 0.8F, 0.1F})};
  const LogRows other{logs_of({0.25F, 0.5F, 0.25F}), logs_of({0.1F, 0.8F, 0.1F})};
  const TokenId tokens[] = {1, 2};
  const auto difference = compare_rows(full, other, tokens);
  EXPECT_NEAR(difference.nll, (std::log(2.0) + std::log(10.0)) / 2, 1e-6);
  EXPECT_NEAR(difference.kl, 0.25 * std::log(2.0) / 2, 1e-6);
  EXPECT_EQ(difference.top1, 0.5);
}

TEST(LogRows, EqualRowsDifferInNothing) {
  const LogRows rows{logs_of({0.5F, 0.5F})};
  const TokenId tokens[] = {0};
  const auto difference = compare_rows(rows, rows, tokens);
  EXPECT_EQ(difference.kl, 0.0);
  EXPECT_EQ(difference.top1, 1.0);
}

}  // namespace
}  // namespace sluice::runtime
