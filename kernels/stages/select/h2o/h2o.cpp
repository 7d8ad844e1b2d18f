// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/h2o/h2o.hpp"

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows(
    {.budget = 0.5F},
    std::array<ParameterRow, 2>{{{"recent", ParameterKind::kNumber, 0.5F, 0.0F, 1.0F, "",
                                  "part of the budget that goes to the last tokens"},
                                 {"normalize", ParameterKind::kBool, 0.0F, 0.0F, 1.0F, "",
                                  "divide by the number of queries that could see the token"}}});

// Section 4: s_t = sum over all i >= t of A[i, t]; half the budget is for recent tokens. The paper
// does not normalise, which favours early tokens; with `recent: 0` and `normalize: true` this is
// what kvpress calls observed attention.
class H2o final : public ScoredSelect {
 public:
  H2o(const SelectionOptions& options, float recent, bool is_normalized)
      : ScoredSelect(options), recent_(recent), is_normalized_(is_normalized) {}

  ScoreNeeds score_needs() const override { return {.accumulated = true}; }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    if (input.scores == nullptr) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'h2o' needs scores of the layer's attention");
    }
    std::vector<float> scores = input.scores->accumulated;
    if (is_normalized_) {
      for (std::size_t i = 0; i < scores.size(); ++i) {
        const std::int64_t token = static_cast<std::int64_t>(i) % input.tokens;
        scores[i] /= static_cast<float>(input.tokens - token);
      }
    }
    return scores;
  }
  Result<Choice> choice(const SelectInput& input, std::span<const float> /*scores*/,
                        std::vector<float>& /*storage*/) const override {
    const std::int64_t budget = budget_tokens(options().budget, input.tokens);
    Choice choice;
    choice.tail_first = input.tokens - budget_tokens(recent_, budget);
    return choice;
  }

 private:
  float recent_;
  bool is_normalized_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  return std::unique_ptr<Stage>(
      std::make_unique<H2o>(options, parameters.number("recent"), parameters.flag("normalize")));
}

}  // namespace

StageRow h2o_row() {
  return {3,
          "h2o",
          StageRole::kSelect,
          1,
          kRows,
          "heavy hitters of all attention, and recent tokens (2306.14048)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
