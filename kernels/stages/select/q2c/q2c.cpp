// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/q2c/q2c.hpp"

#include <algorithm>

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows =
    selection_rows({.budget = 0.5F},
                   std::array<ParameterRow, 2>{
                       {{"queries", ParameterKind::kInteger, 64.0F, 1.0F, 4096.0F, "",
                         "last tokens that stand for the question where its span is not known"},
                        {"mean", ParameterKind::kBool, 0.0F, 0.0F, 1.0F, "",
                         "importance is the mean over the question's tokens instead of the sum"}}});

// s_t = sum over the question's tokens i and the heads that share K of A[i, t]. Every token of the
// context is seen by all of the question, so sum and mean choose alike. The question is kept.
class Q2c final : public ScoredSelect {
 public:
  Q2c(const SelectionOptions& options, std::int64_t queries, bool is_mean)
      : ScoredSelect(options), queries_(queries), is_mean_(is_mean) {}

  ScoreNeeds score_needs() const override { return {.window_tokens = queries_, .question = true}; }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    std::vector<float> scores = SLUICE_TRY(window_scores(input, "q2c", queries_, true));
    if (is_mean_) {
      const std::int64_t seen =
          std::max<std::int64_t>(input.tokens - input.scores->window_first, 1);
      for (float& score : scores) score /= static_cast<float>(seen);
    }
    return scores;
  }
  Result<Choice> choice(const SelectInput& input, std::span<const float> /*scores*/,
                        std::vector<float>& /*storage*/) const override {
    Choice choice;
    if (input.scores != nullptr) choice.tail_first = input.scores->window_first;
    return choice;
  }

 private:
  std::int64_t queries_;
  bool is_mean_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  return std::unique_ptr<Stage>(
      std::make_unique<Q2c>(options, parameters.integer("queries"), parameters.flag("mean")));
}

}  // namespace

StageRow q2c_row() {
  return {1,
          "q2c",
          StageRole::kSelect,
          1,
          kRows,
          "tokens that the question pays attention to",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
