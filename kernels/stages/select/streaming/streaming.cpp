// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/streaming/streaming.hpp"

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows({.budget = 0.5F, .scope = SelectScope::kLayer});

class Streaming final : public ScoredSelect {
 public:
  using ScoredSelect::ScoredSelect;

  // All heads score alike.
  bool needs_all_heads() const override { return false; }

 protected:
  // The later the better.
  Result<std::vector<float>> score(const SelectInput& input) const override {
    std::vector<float> scores;
    for (std::int64_t t = 0; t < input.tokens; ++t) scores.push_back(static_cast<float>(t));
    return scores;
  }
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  return std::unique_ptr<Stage>(std::make_unique<Streaming>(options));
}

}  // namespace

StageRow streaming_row() {
  return {4,
          "streaming",
          StageRole::kSelect,
          1,
          kRows,
          "sinks and the most recent tokens (2309.17453)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
