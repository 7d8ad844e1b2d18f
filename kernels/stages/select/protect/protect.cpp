// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/protect/protect.hpp"

#include <algorithm>
#include <array>
#include <memory>

namespace sluice::kernels {
namespace {

constexpr std::array<ParameterRow, 3> kRows{
    {{"sinks", ParameterKind::kInteger, 4.0F, 0.0F, 65536.0F, "", "first tokens"},
     {"window", ParameterKind::kInteger, 0.0F, 0.0F, 65536.0F, "", "last tokens"},
     {"question", ParameterKind::kBool, 0.0F, 0.0F, 1.0F, "",
      "the question's tokens, or where they are not known the window that selection looks "
      "through"}}};

class Protect final : public SelectStage {
 public:
  Protect(std::int64_t sinks, std::int64_t window, bool question)
      : sinks_(sinks), window_(window), question_(question) {}

  // Where the question begins comes with the scores.
  ScoreNeeds score_needs() const override {
    if (!question_) return {};
    return {.window_tokens = 1, .question = true};
  }

  Status select(const SelectInput& input, SelectState& state) const override {
    std::int64_t tail = std::max<std::int64_t>(input.tokens - window_, 0);
    if (question_) {
      if (input.scores == nullptr) {
        return make_error(ErrorCode::kInvalidArgument,
                          "stage 'protect' is to protect the question, and has no scores");
      }
      tail = std::min(tail, input.scores->window_first);
    }
    TokenLevels& levels = state.levels;
    for (std::size_t i = 0; i < levels.level.size(); ++i) {
      const std::int64_t token = static_cast<std::int64_t>(i) % levels.tokens;
      const bool is_kept = levels.level[i] != kLevelDropped;
      if (is_kept && (token < sinks_ || token >= tail)) levels.level[i] = kLevelExact;
    }
    return {};
  }

 private:
  std::int64_t sinks_;
  std::int64_t window_;
  bool question_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<Protect>(
      parameters.integer("sinks"), parameters.integer("window"), parameters.flag("question")));
}

}  // namespace

StageRow protect_row() {
  return {30,
          "protect",
          StageRole::kSelect,
          1,
          kRows,
          "sinks, last tokens and the question are sent as they are",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
