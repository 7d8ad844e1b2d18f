// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/kvzip/kvzip.hpp"

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows({.budget = 0.5F});

// Section 3: the largest weight of attention that a key gets while the model repeats the prompt,
// whatever will be asked. The paper lets all heads of all layers compete for one budget; here heads
// of a layer do behind `adakv: { floor: 0 }`.
class KvZip final : public ScoredSelect {
 public:
  using ScoredSelect::ScoredSelect;
  ScoreNeeds score_needs() const override { return {.reconstruction = true}; }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    if (input.scores == nullptr) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'kvzip' needs scores of the prompt's repetition");
    }
    return input.scores->reconstruction;
  }
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  return std::unique_ptr<Stage>(std::make_unique<KvZip>(options));
}

}  // namespace

StageRow kvzip_row() {
  return {13,
          "kvzip",
          StageRole::kSelect,
          1,
          kRows,
          "tokens that repeating the prompt needs, a second pass (2505.23416)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
