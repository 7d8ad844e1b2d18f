// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/selection.hpp"

#include <algorithm>
#include <string>

#include "kernels/pipeline/segment.hpp"

namespace sluice::kernels {
namespace {

Error invalid(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, std::move(message));
}

void add(std::vector<float>& sum, const std::vector<float>& more) {
  for (std::size_t i = 0; i < std::min(sum.size(), more.size()); ++i) sum[i] += more[i];
}

// Scores of a group as if it were one layer. Queries cannot be added: the first layer's stay.
LayerScores summed(std::span<const LayerScores> layers) {
  LayerScores sum = layers.front();
  for (const LayerScores& layer : layers.subspan(1)) {
    add(sum.window, layer.window);
    add(sum.accumulated, layer.accumulated);
    add(sum.expected, layer.expected);
    add(sum.expected_output, layer.expected_output);
    add(sum.output_norm, layer.output_norm);
    for (std::size_t i = 0; i < std::min(sum.peak.size(), layer.peak.size()); ++i) {
      sum.peak[i] = std::max(sum.peak[i], layer.peak[i]);
    }
    add(sum.reconstruction, layer.reconstruction);
    sum.similarity += layer.similarity;
  }
  sum.similarity /= static_cast<float>(layers.size());
  return sum;
}

}  // namespace

ScoreNeeds Selection::score_needs() const {
  ScoreNeeds all;
  for (const SelectStage* stage : stages) all.join(stage->score_needs());
  return all;
}

bool Selection::needs_all_layers() const {
  return std::any_of(stages.begin(), stages.end(),
                     [](const SelectStage* stage) { return stage->needs_all_layers(); });
}

Status Selection::check_scores(std::span<const LayerScores> scores, std::int64_t tokens) const {
  const ScoreNeeds needs = score_needs();
  const auto per_head = static_cast<std::size_t>(shape->kv_heads * tokens);
  for (const LayerScores& layer : scores) {
    const auto is_there = [&](bool is_needed, const std::vector<float>& values) {
      return !is_needed || values.size() == per_head;
    };
    const bool is_whole =
        layer.tokens == tokens && layer.kv_heads == shape->kv_heads && layer.window_first >= 0 &&
        layer.window_first <= tokens && is_there(needs.window_tokens > 0, layer.window) &&
        is_there(needs.peak, layer.peak) && is_there(needs.accumulated, layer.accumulated) &&
        is_there(needs.expected, layer.expected) &&
        is_there(needs.reconstruction, layer.reconstruction) &&
        is_there(needs.output_norm, layer.output_norm) &&
        is_there(needs.output_norm, layer.expected_output);
    if (!is_whole) {
      return invalid("the scores of a layer are not of its " + std::to_string(tokens) +
                     " tokens, or lack what the selection needs");
    }
  }
  return {};
}

Result<LayerPlan> Selection::plan_layers(std::int64_t tokens, std::span<const LayerScores> scores,
                                         std::uint64_t seed) const {
  const auto layers = static_cast<std::size_t>(shape->layers);
  if (score_needs().any() && scores.size() != layers) {
    return invalid("planning the layers' budgets needs the scores of all layers");
  }
  SLUICE_TRY(check_scores(scores, tokens));
  LayerPlan plan{std::vector<float>(layers, 1.0F), std::vector<LayerScores>(stages.size())};
  const SelectInput request{.shape = shape,
                            .profile = profile,
                            .layer = 0,
                            .tokens = tokens,
                            .pages = {},
                            .scores = nullptr,
                            .shared = nullptr,
                            .seed = seed};
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (!stages[i]->needs_all_layers()) continue;
    SLUICE_TRY(stages[i]->plan_layers(request, scores, plan.budget_scales, plan.shared[i]));
  }
  return plan;
}

Result<TokenLevels> Selection::select(const EncodeTask& task) const {
  const std::int64_t tokens = task.last_token - task.first_token;
  SelectState state;
  state.levels.tokens = tokens;
  state.levels.level.assign(static_cast<std::size_t>(tokens), 1);
  if (stages.empty()) return std::move(state.levels);

  const bool is_planned = needs_all_layers();
  if (is_planned && (task.plan == nullptr || task.plan->shared.size() != stages.size() ||
                     task.plan->budget_scales.size() != static_cast<std::size_t>(shape->layers))) {
    return invalid("this pipeline plans all layers of a request before it encodes one");
  }
  LayerScores group;
  const LayerScores* shown = nullptr;
  if (score_needs().any()) {
    const std::size_t expected =
        is_planned ? static_cast<std::size_t>(shape->layers) : task.pages.size();
    if (task.scores.size() != expected) {
      return invalid("this pipeline selects tokens by scores, and those of a layer are missing");
    }
    const auto own = task.scores.subspan(
        static_cast<std::size_t>(is_planned ? task.layer_first : 0), task.pages.size());
    SLUICE_TRY(check_scores(own, tokens));
    shown = &own.front();
    if (own.size() > 1) shown = &(group = summed(own));
  }
  if (is_planned) {
    state.budget_scale = task.plan->budget_scales[static_cast<std::size_t>(task.layer_first)];
  }
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const bool is_shared = is_planned && task.plan->shared[i].tokens > 0;
    const SelectInput input{.shape = shape,
                            .profile = profile,
                            .layer = task.layer_first,
                            .tokens = tokens,
                            .pages = task.pages.front(),
                            .scores = shown,
                            .shared = is_shared ? &task.plan->shared[i] : nullptr,
                            .seed = task.seed};
    SLUICE_TRY(stages[i]->select(input, state));
    SLUICE_TRY(check_levels(state.levels, tokens, shape->kv_heads));
  }
  merge_equal_heads(state.levels);
  return std::move(state.levels);
}

}  // namespace sluice::kernels
