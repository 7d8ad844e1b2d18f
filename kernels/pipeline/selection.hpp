// SPDX-License-Identifier: Apache-2.0
// Runs a pipeline's select stages over what prefill found.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// What the select stages of one pipeline work on.
struct Selection {
  std::span<const SelectStage* const> stages;
  const CacheShape* shape = nullptr;
  const Profile* profile = nullptr;  // may be null

  ScoreNeeds score_needs() const;
  bool needs_all_layers() const;

  Result<LayerPlan> plan_layers(std::int64_t tokens, std::span<const LayerScores> scores,
                                std::uint64_t seed) const;

  // Levels of [first_token, last_token) of a frame's layers. Layers of one group are coded
  // together, so they share one selection: from the sum of their scores, and the first one's K and
  // V and budget.
  Result<TokenLevels> select(const EncodeTask& task) const;

 private:
  Status check_scores(std::span<const LayerScores> scores, std::int64_t tokens) const;
};

}  // namespace sluice::kernels
