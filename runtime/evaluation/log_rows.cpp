// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/log_rows.hpp"

#include <algorithm>
#include <cmath>

namespace sluice::runtime {

std::vector<float> log_probabilities(std::span<const float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += static_cast<double>(std::exp(logit - most));
  const auto log_sum = most + static_cast<float>(std::log(sum));
  std::vector<float> logs(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) logs[i] = logits[i] - log_sum;
  return logs;
}

TokenId most_probable(std::span<const float> row) {
  return static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin());
}

RowsDifference compare_rows(const LogRows& full, const LogRows& other,
                            std::span<const TokenId> tokens) {
  RowsDifference difference;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::vector<float>& p = full[i];
    const std::vector<float>& q = other[i];
    difference.nll -= static_cast<double>(q[static_cast<std::size_t>(tokens[i])]);
    for (std::size_t token = 0; token < p.size(); ++token) {
      // What is less probable than e^-30 adds nothing that a double sum of all of them would show.
      if (p[token] > -30.0F) {
        difference.kl += static_cast<double>(std::exp(p[token]) * (p[token] - q[token]));
      }
    }
    difference.top1 += most_probable(p) == most_probable(q) ? 1.0 : 0.0;
  }
  const auto count = static_cast<double>(tokens.size());
  return {difference.nll / count, difference.kl / count, difference.top1 / count};
}

}  // namespace sluice::runtime
