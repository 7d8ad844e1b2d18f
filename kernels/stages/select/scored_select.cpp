// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/scored_select.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "kernels/elementwise/kv_pages.hpp"

namespace sluice::kernels {
namespace {

// The sum over heads: [tokens]. Heads in ascending order.
std::vector<float> sum_heads(const std::vector<float>& scores, std::int64_t tokens) {
  const auto count = static_cast<std::size_t>(tokens);
  std::vector<float> sum(
      scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(std::min(count, scores.size())));
  for (std::size_t i = count; i < scores.size(); ++i) sum[i % count] += scores[i];
  return sum;
}

}  // namespace

Status ScoredSelect::plan_layers(const SelectInput& request, std::span<const LayerScores> scores,
                                 std::span<float> /*budget_scales*/, LayerScores& shared) const {
  if (!needs_all_layers()) return {};
  shared.tokens = request.tokens;
  shared.kv_heads = 1;
  shared.window.assign(static_cast<std::size_t>(request.tokens), 0.0F);
  for (std::int64_t layer = 0; layer < request.shape->layers; ++layer) {
    SelectInput input = request;
    input.layer = layer;
    input.scores = scores.empty() ? nullptr : &scores[static_cast<std::size_t>(layer)];
    const std::vector<float> sum = sum_heads(SLUICE_TRY(score(input)), request.tokens);
    for (std::size_t i = 0; i < shared.window.size(); ++i) shared.window[i] += sum[i];
  }
  return {};
}

Status ScoredSelect::select(const SelectInput& input, SelectState& state) const {
  std::vector<float> scores;
  if (options_.scope == SelectScope::kModel) {
    if (input.tokens > 0 && (input.shared == nullptr || input.shared->tokens != input.tokens)) {
      return make_error(ErrorCode::kInvalidArgument,
                        "a selection of one set for all layers was not planned");
    }
    if (input.tokens > 0) scores = input.shared->window;
  } else {
    scores = SLUICE_TRY(score(input));
    if (options_.scope == SelectScope::kLayer) scores = sum_heads(scores, input.tokens);
  }
  std::vector<float> storage;
  const Choice chosen = SLUICE_TRY(choice(input, scores, storage));
  return choose_tokens(input, options_, chosen, std::move(scores), state);
}

Result<SelectionOptions> selection_options_by_layer(const char* stage,
                                                    const Parameters& parameters) {
  SelectionOptions options = SLUICE_TRY(selection_options(parameters));
  if (options.scope == SelectScope::kModel) {
    return make_error(ErrorCode::kInvalidArgument,
                      "stage '" + std::string(stage) +
                          "' reads each layer's K or V: its 'scope' is head or layer");
  }
  return options;
}

Result<std::vector<float>> window_scores(const SelectInput& input, const char* stage,
                                         std::int64_t wanted, bool takes_question) {
  if (input.scores == nullptr) {
    return make_error(ErrorCode::kInvalidArgument,
                      "stage '" + std::string(stage) + "' needs scores of the layer's attention");
  }
  const std::int64_t first = std::max<std::int64_t>(input.tokens - wanted, 0);
  if (!takes_question && input.scores->window_first != first) {
    return make_error(ErrorCode::kInvalidArgument,
                      "stage '" + std::string(stage) + "' looks through the last " +
                          std::to_string(wanted) +
                          " tokens, and another stage of the pipeline asked for another window");
  }
  return input.scores->window;
}

std::vector<float> gather_layer(const SelectInput& input, KvHalf half) {
  const std::int64_t dim = input.shape->head_dim;
  std::vector<float> rows(static_cast<std::size_t>(input.shape->kv_heads * input.tokens * dim));
  gather_kv(input.pages, half, input.tokens, {rows.data(), DType::kF32, dim});
  return rows;
}

}  // namespace sluice::kernels
