// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/random/random.hpp"

#include "kernels/stages/select/draw.hpp"
#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows({.budget = 0.5F});

// The request's seed decides, the same on every machine. Heads and layers draw apart unless they
// share a set.
class Random final : public ScoredSelect {
 public:
  using ScoredSelect::ScoredSelect;

  // Heads draw by their number among all.
  bool needs_all_heads() const override { return options().scope == SelectScope::kHead; }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    const bool is_shared = options().scope != SelectScope::kHead;
    const std::int64_t heads = is_shared ? 1 : input.shape->kv_heads;
    // One set for all layers is their sum, so only the first may draw.
    const bool is_silent = options().scope == SelectScope::kModel && input.layer > 0;
    std::vector<float> scores;
    for (std::int64_t head = 0; head < heads; ++head) {
      for (std::int64_t token = 0; token < input.tokens; ++token) {
        // 24 bits, exact in FP32.
        scores.push_back(
            is_silent ? 0.0F
                      : static_cast<float>(draw_bits(input.seed, input.layer, head, token) >> 40));
      }
    }
    return scores;
  }
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  return std::unique_ptr<Stage>(std::make_unique<Random>(options));
}

}  // namespace

StageRow random_row() {
  return {5,
          "random",
          StageRole::kSelect,
          1,
          kRows,
          "seeded random tokens",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
