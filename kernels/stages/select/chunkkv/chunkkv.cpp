// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/chunkkv/chunkkv.hpp"

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows(
    {.budget = 0.5F, .window = 64, .scope = SelectScope::kLayer},
    std::array<ParameterRow, 1>{
        {{"chunk", ParameterKind::kInteger, 10.0F, 1.0F, 4096.0F, "", "tokens of a chunk"}}});

// Section 3: a chunk scores the attention that the observation window pays to its tokens; the best
// chunks are kept whole, up to the budget. Chunks that are cut short (the last, or at protected
// tokens) score by the mean of what is left of them. The paper's reuse of one layer's indices by
// the next is `scope: model` taken to the end.
class ChunkKv final : public ScoredSelect {
 public:
  ChunkKv(const SelectionOptions& options, std::int64_t chunk)
      : ScoredSelect(options), chunk_(chunk) {}

  ScoreNeeds score_needs() const override { return {.window_tokens = options().window}; }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    return window_scores(input, "chunkkv", options().window, false);
  }
  Result<Choice> choice(const SelectInput& /*input*/, std::span<const float> /*scores*/,
                        std::vector<float>& /*storage*/) const override {
    Choice choice;
    choice.chunk = chunk_;
    return choice;
  }

 private:
  std::int64_t chunk_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  if (options.window == 0) {
    return make_error(ErrorCode::kInvalidArgument, "stage 'chunkkv' needs a 'window' of tokens");
  }
  return std::unique_ptr<Stage>(std::make_unique<ChunkKv>(options, parameters.integer("chunk")));
}

}  // namespace

StageRow chunkkv_row() {
  return {11,
          "chunkkv",
          StageRole::kSelect,
          1,
          kRows,
          "whole chunks by the window's attention (2502.00299)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
