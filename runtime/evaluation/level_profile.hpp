// SPDX-License-Identifier: Apache-2.0
// From outcomes and times to the table of levels that a scheduler reads.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/evaluation/outcome.hpp"
#include "scheduler/level_table.hpp"

namespace sluice::runtime {

struct BytesPoint {
  double tokens = 0.0;  // > 0
  double bytes = 0.0;
};

struct BytesLine {
  double fixed = 0.0;
  double per_token = 0.0;
};

// Least squares of relative errors. The fixed part is 0 unless it is positive by more than twice
// its standard error, over at least three points. No points: all 0.
BytesLine fit_bytes(std::span<const BytesPoint> points);

// What is known of a level but its outcomes.
struct LevelCost {
  std::string pipeline;
  std::uint64_t stages = 0;
  double encode_s_per_token = 0.0;  // on one thread
  double decode_s_per_token = 0.0;
  bool is_streaming = false;
};

// A level for each cost that has outcomes, in their order: bytes over the items' lengths, losses
// over the items, each task counting alike. `outcomes` hold the full cache's too.
std::vector<scheduler::Level> levels_of(std::span<const LevelCost> costs,
                                        std::span<const Outcome> outcomes);

// For people: a line a level, with the ratio to `raw_bytes_per_token` and costs as rates of BF16.
// Levels that are not in `kept` are marked as beaten.
std::string level_table_text(std::span<const scheduler::Level> levels,
                             std::span<const scheduler::Level> kept, double raw_bytes_per_token);

}  // namespace sluice::runtime
