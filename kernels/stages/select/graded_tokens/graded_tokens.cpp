// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/graded_tokens/graded_tokens.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace sluice::kernels {
namespace {

constexpr std::array<ParameterRow, 2> kRows{
    {{"shares", ParameterKind::kList, 0.0F, 0.0F, 1.0F, "",
      "of the tokens, most important first: levels 1, 2, ...; the last takes what is left"},
     {"drop_last", ParameterKind::kBool, 0.0F, 0.0F, 1.0F, "",
      "the last share is not sent at all"}}};

class GradedTokens final : public SelectStage {
 public:
  GradedTokens(std::vector<float> shares, bool drops_last)
      : shares_(std::move(shares)), drops_last_(drops_last) {}

  // Acts on what a selector before it scored and kept; exact tokens stay exact and do not count.
  Status select(const SelectInput& input, SelectState& state) const override {
    TokenLevels& levels = state.levels;
    if (levels.importance.size() != levels.level.size()) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'graded_tokens' grades by importance: a selector must come before");
    }
    for (std::int64_t head = 0; head < levels.heads; ++head) {
      SLUICE_TRY(grade(input, levels, static_cast<std::size_t>(head * levels.tokens)));
    }
    return {};
  }

 private:
  Status grade(const SelectInput& input, TokenLevels& levels, std::size_t at) const {
    std::vector<std::size_t> order;
    for (std::size_t i = at; i < at + static_cast<std::size_t>(levels.tokens); ++i) {
      if (levels.level[i] == kLevelDropped || levels.level[i] == kLevelExact) continue;
      if (std::isnan(levels.importance[i])) {
        return make_error(
            ErrorCode::kInvalidArgument,
            "an importance in layer " + std::to_string(input.layer) + " is not a number");
      }
      order.push_back(i);
    }
    // Stable: of equals the lower token is more important.
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return levels.importance[a] > levels.importance[b];
    });
    double share = 0;
    std::size_t first = 0;
    for (std::size_t i = 0; i < shares_.size(); ++i) {
      const bool is_last = i + 1 == shares_.size();
      share += static_cast<double>(shares_[i]);
      // Rounded to nearest: 0.1 + 0.2 of ten tokens are three.
      const double end = std::floor(share * static_cast<double>(order.size()) + 0.5);
      const std::size_t last =
          is_last ? order.size() : std::min(static_cast<std::size_t>(end), order.size());
      const auto level = is_last && drops_last_ ? kLevelDropped : static_cast<std::uint8_t>(i + 1);
      for (; first < last; ++first) levels.level[order[first]] = level;
    }
    return {};
  }

  std::vector<float> shares_;
  bool drops_last_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const auto shares = parameters.list("shares");
  float sum = 0.0F;
  for (const float share : shares) sum += share;
  if (shares.empty() || shares.size() > kLevelsMax || sum > 1.001F) {
    return make_error(ErrorCode::kInvalidArgument,
                      "stage 'graded_tokens' needs 'shares': 1 to 8 numbers of sum 1");
  }
  return std::unique_ptr<Stage>(std::make_unique<GradedTokens>(
      std::vector<float>(shares.begin(), shares.end()), parameters.flag("drop_last")));
}

}  // namespace

StageRow graded_tokens_row() {
  return {33,
          "graded_tokens",
          StageRole::kSelect,
          1,
          kRows,
          "levels by importance: shares of the tokens from fine to coarse",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
