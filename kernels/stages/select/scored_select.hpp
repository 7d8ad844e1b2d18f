// SPDX-License-Identifier: Apache-2.0
// A selector is a score: everything else is the same for all of them.
#pragma once

#include <vector>

#include "kernels/stages/select/selection.hpp"

namespace sluice::kernels {

class ScoredSelect : public SelectStage {
 public:
  explicit ScoredSelect(const SelectionOptions& options) : options_(options) {}

  bool needs_all_layers() const final { return options_.scope == SelectScope::kModel; }
  // One set for a layer is chosen by the sum of its heads' scores.
  bool needs_all_heads() const override { return options_.scope != SelectScope::kHead; }
  // Sums the scores of all layers and heads into shared.window ([1][tokens]).
  Status plan_layers(const SelectInput& request, std::span<const LayerScores> scores,
                     std::span<float> budget_scales, LayerScores& shared) const final;
  Status select(const SelectInput& input, SelectState& state) const final;

 protected:
  const SelectionOptions& options() const { return options_; }

  // [kv_heads][tokens] or [1][tokens]; larger is better. Under scope 'model' input.pages is empty.
  virtual Result<std::vector<float>> score(const SelectInput& input) const = 0;
  // For scores of `heads` heads. `storage` keeps what the choice only points to.
  virtual Result<Choice> choice(const SelectInput& input, std::span<const float> scores,
                                std::vector<float>& storage) const {
    (void)input, (void)scores, (void)storage;
    return Choice{};
  }

 private:
  SelectionOptions options_;
};

// For selectors that read K or V: kInvalidArgument for a scope that has none at hand.
Result<SelectionOptions> selection_options_by_layer(const char* stage,
                                                    const Parameters& parameters);

// `values` ([kv_heads][tokens]) if the layer's window is its last `wanted` tokens (all of a shorter
// prompt), or a question if `takes_question`. kInvalidArgument: another stage asked for another
// window.
Result<std::vector<float>> window_scores(const SelectInput& input, const char* stage,
                                         std::int64_t wanted, bool takes_question);

// Keys (or values) of the layer, [kv_heads][tokens][head_dim].
std::vector<float> gather_layer(const SelectInput& input, KvHalf half);

}  // namespace sluice::kernels
