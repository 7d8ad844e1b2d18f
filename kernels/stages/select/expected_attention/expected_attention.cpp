// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/expected_attention/expected_attention.hpp"

#include <cmath>

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

enum class Values : std::uint8_t { kOutput, kPlain, kNone };

constexpr auto kRows = selection_rows(
    {.budget = 0.5F}, std::array<ParameterRow, 2>{
                          {{"epsilon", ParameterKind::kNumber, 0.02F, 0.0F, 1.0F, "",
                            "added to a token's share before its value counts"},
                           {"values", ParameterKind::kChoice, 0.0F, 0.0F, 2.0F, "output plain none",
                            "what a value counts by: |W_O v|, |v|, or nothing"}}});

// Section 3: (share of expected attention + epsilon) * |W_O v|, mean over the heads that share K.
// kvpress takes |v| and an epsilon of 0: `values: plain`, `epsilon: 0`.
class ExpectedAttention final : public ScoredSelect {
 public:
  ExpectedAttention(const SelectionOptions& options, float epsilon, Values values)
      : ScoredSelect(options), epsilon_(epsilon), values_(values) {}

  ScoreNeeds score_needs() const override {
    return {.expected = true, .output_norm = values_ == Values::kOutput};
  }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    if (input.scores == nullptr ||
        (values_ == Values::kOutput &&
         input.scores->expected_output.size() != input.scores->expected.size())) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'expected_attention' needs scores of the layer's attention");
    }
    const LayerScores& known = *input.scores;
    std::vector<float> scores = known.expected;
    if (values_ == Values::kOutput) {
      for (std::size_t i = 0; i < scores.size(); ++i) {
        scores[i] = known.expected_output[i] + epsilon_ * known.output_norm[i];
      }
    } else if (values_ == Values::kPlain) {
      const std::vector<float> values = gather_layer(input, KvHalf::kValue);
      const auto dim = static_cast<std::size_t>(input.shape->head_dim);
      for (std::size_t i = 0; i < scores.size(); ++i) {
        float sum = 0.0F;
        for (std::size_t d = 0; d < dim; ++d) sum += values[i * dim + d] * values[i * dim + d];
        scores[i] = (scores[i] + epsilon_) * std::sqrt(sum);
      }
    }
    return scores;
  }

 private:
  float epsilon_;
  Values values_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const auto values = static_cast<Values>(parameters.choice("values"));
  const SelectionOptions options = SLUICE_TRY(
      values == Values::kPlain ? selection_options_by_layer("expected_attention", parameters)
                               : selection_options(parameters));
  return std::unique_ptr<Stage>(
      std::make_unique<ExpectedAttention>(options, parameters.number("epsilon"), values));
}

}  // namespace

StageRow expected_attention_row() {
  return {6,
          "expected_attention",
          StageRole::kSelect,
          1,
          kRows,
          "tokens that future queries are expected to need (2510.00636)",
          create};
}

}  // namespace sluice::kernels
