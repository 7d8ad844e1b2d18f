// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/snapkv/snapkv.hpp"

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows({.budget = 0.5F, .window = 64, .pool = 5});

// Section 4: an observation window of the last `window` tokens votes; votes are pooled (the
// authors' code: average, width 5 to 7), and the window is kept. The paper repeats K for the heads
// of a group and lets each choose; one K can only be sent once, so here their votes are added, as
// in the authors' later version. `sinks: 0` is the paper's.
class SnapKv final : public ScoredSelect {
 public:
  using ScoredSelect::ScoredSelect;
  ScoreNeeds score_needs() const override { return {.window_tokens = options().window}; }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    return window_scores(input, "snapkv", options().window, false);
  }
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  if (options.window == 0) {
    return make_error(ErrorCode::kInvalidArgument, "stage 'snapkv' needs a 'window' of tokens");
  }
  return std::unique_ptr<Stage>(std::make_unique<SnapKv>(options));
}

}  // namespace

StageRow snapkv_row() {
  return {2,
          "snapkv",
          StageRole::kSelect,
          1,
          kRows,
          "tokens that the last tokens pay attention to, pooled (2404.14469)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
