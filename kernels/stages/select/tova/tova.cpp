// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/tova/tova.hpp"

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows({.budget = 0.5F, .window = 1, .scope = SelectScope::kLayer});

// Section 3: attention of the last query, averaged over heads: one set for a layer. The paper
// evicts while it decodes; a prompt's cache is cut once. It protects no sinks: `sinks: 0`.
class Tova final : public ScoredSelect {
 public:
  using ScoredSelect::ScoredSelect;
  ScoreNeeds score_needs() const override { return {.window_tokens = 1}; }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    return window_scores(input, "tova", 1, false);
  }
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  return std::unique_ptr<Stage>(std::make_unique<Tova>(options));
}

}  // namespace

StageRow tova_row() {
  return {8,
          "tova",
          StageRole::kSelect,
          1,
          kRows,
          "tokens that the last token pays attention to (2401.06104)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
