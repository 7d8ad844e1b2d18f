// SPDX-License-Identifier: Apache-2.0
// From scores to kept tokens: what all selectors share.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/stages/select/pool.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// Who shares one set of tokens.
enum class SelectScope : std::uint8_t { kHead, kLayer, kModel };

struct SelectionOptions {
  float budget = 1.0F;  // up to 1 a share of the tokens, rounded down; above 1 a count
  std::int64_t sinks = 4;
  std::int64_t window = 0;
  SelectScope scope = SelectScope::kHead;
  std::int64_t pool = 1;
  Pooling pooling = Pooling::kAverage;
};

inline constexpr std::size_t kSelectionRowCount = 6;

// The table of these options with a selector's own defaults; its other parameters come after.
constexpr std::array<ParameterRow, kSelectionRowCount> selection_rows(
    const SelectionOptions& defaults) {
  return {{
      {"budget", ParameterKind::kNumber, defaults.budget, 0.0F, 16777216.0F, "",
       "tokens kept: up to 1 a share, above 1 a count"},
      {"sinks", ParameterKind::kInteger, static_cast<float>(defaults.sinks), 0.0F, 65536.0F, "",
       "first tokens, always kept"},
      {"window", ParameterKind::kInteger, static_cast<float>(defaults.window), 0.0F, 65536.0F, "",
       "last tokens, always kept"},
      {"scope", ParameterKind::kChoice, static_cast<float>(defaults.scope), 0.0F, 2.0F,
       "head layer model", "who shares one set of tokens"},
      {"pool", ParameterKind::kInteger, static_cast<float>(defaults.pool), 0.0F, 255.0F, "",
       "scores are pooled over so many neighbours: odd, or 0"},
      {"pooling", ParameterKind::kChoice, static_cast<float>(defaults.pooling), 0.0F, 1.0F,
       "average max", "how they are pooled"},
  }};
}

template <std::size_t kOwn>
constexpr std::array<ParameterRow, kSelectionRowCount + kOwn> selection_rows(
    const SelectionOptions& defaults, const std::array<ParameterRow, kOwn>& own) {
  std::array<ParameterRow, kSelectionRowCount + kOwn> rows{};
  const auto shared = selection_rows(defaults);
  for (std::size_t i = 0; i < kSelectionRowCount; ++i) rows[i] = shared[i];
  for (std::size_t i = 0; i < kOwn; ++i) rows[kSelectionRowCount + i] = own[i];
  return rows;
}

// kInvalidArgument: an even width of pooling.
Result<SelectionOptions> selection_options(const Parameters& parameters);

// Tokens that `budget` stands for.
std::int64_t budget_tokens(float budget, std::int64_t tokens);

// How a choice is made beside scores.
struct Choice {
  // Tokens from here on are kept whatever they score: the question, or what a method calls recent.
  // `window` of the options is kept as well.
  std::int64_t tail_first = -1;  // < 0: none
  // Part of the free budget goes to the best of a second score among those left (NACL's draw).
  std::span<const float> second;  // [scores' heads][tokens], or empty
  float second_share = 0.0F;
  std::int64_t chunk = 1;  // tokens are taken in whole chunks of so many, counted from token 0
};

// Drops what is not chosen from `state.levels` and notes the (pooled) scores as importance.
// `scores`: [heads][tokens], one or kv_heads heads; larger is better; equal scores: the lower
// head, then token, wins. Kept in any case, and counted in the budget: sinks, window, tail, and
// what an earlier stage made exact; what one dropped stays dropped. The budget's scale (PyramidKV,
// Squeeze) acts on the rest. kInvalidArgument: a NaN among the scores, or another size.
Status choose_tokens(const SelectInput& input, const SelectionOptions& options,
                     const Choice& choice, std::vector<float> scores, SelectState& state);

}  // namespace sluice::kernels
