// SPDX-License-Identifier: Apache-2.0
// What a model gives each next token, and how far two such runs are apart.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

// One row of log-probabilities (natural) for each token that is judged.
using LogRows = std::vector<std::vector<float>>;

std::vector<float> log_probabilities(std::span<const float> logits);

// Ties to the lowest id, as greedy sampling has it.
TokenId most_probable(std::span<const float> row);

// Nats per token, over the rows.
struct RowsDifference {
  double nll = 0.0;   // of `tokens` under `other`
  double kl = 0.0;    // of `other` from `full`
  double top1 = 0.0;  // share of rows whose most probable token is the same
};
// Row i judges tokens[i]; at least one.
RowsDifference compare_rows(const LogRows& full, const LogRows& other,
                            std::span<const TokenId> tokens);

}  // namespace sluice::runtime
