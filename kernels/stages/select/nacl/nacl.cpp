// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/nacl/nacl.hpp"

#include "kernels/stages/select/draw.hpp"
#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows(
    {.budget = 0.5F, .window = 64},
    std::array<ParameterRow, 1>{{{"random", ParameterKind::kNumber, 0.3F, 0.0F, 1.0F, "",
                                  "part of the free budget that is drawn instead of ranked"}}});

// Section 3: the prompt's end (`window`) is the proxy; its attention ranks the others, one eviction
// for the whole prompt, each head apart. So that heads do not all miss the same token, part of the
// budget is drawn without replacement among the rest, by their scores: token t of weight w comes
// out by an exponential race, the smallest -ln(u) / w first. The part is ours, the paper sets it by
// task.
class Nacl final : public ScoredSelect {
 public:
  Nacl(const SelectionOptions& options, float random) : ScoredSelect(options), random_(random) {}

  ScoreNeeds score_needs() const override { return {.window_tokens = options().window}; }
  // Heads draw by their number among all.
  bool needs_all_heads() const override { return true; }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    return window_scores(input, "nacl", options().window, false);
  }
  Result<Choice> choice(const SelectInput& input, std::span<const float> scores,
                        std::vector<float>& storage) const override {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      const std::uint64_t bits =
          draw_bits(input.seed, options().scope == SelectScope::kModel ? 0 : input.layer,
                    at / input.tokens, at % input.tokens);
      storage.push_back(race(bits, scores[i]));
    }
    Choice choice;
    choice.second = storage;
    choice.second_share = random_;
    return choice;
  }

 private:
  float random_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  if (options.window == 0) {
    return make_error(ErrorCode::kInvalidArgument, "stage 'nacl' needs a 'window' of proxy tokens");
  }
  return std::unique_ptr<Stage>(std::make_unique<Nacl>(options, parameters.number("random")));
}

}  // namespace

StageRow nacl_row() {
  return {7,
          "nacl",
          StageRole::kSelect,
          1,
          kRows,
          "proxy tokens score, part is drawn at random (2408.03675)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
