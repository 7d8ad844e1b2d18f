// SPDX-License-Identifier: Apache-2.0
// Tokens of one level of the same heads: what is coded together. Both sides make the same list, in
// the same order, from the level sets.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/level_set.hpp"
#include "kernels/stages/plane.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// KV heads of the model.
struct HeadRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

struct Segment {
  std::int64_t head_first = 0;  // of the model
  std::int64_t head_count = 0;
  std::uint8_t level = 1;
  std::vector<std::int32_t> positions;  // ascending, original
  std::vector<std::int32_t> rows;       // where its rows are in the pages
  std::vector<float> importance;        // encoder only, may be empty

  std::int64_t tokens() const { return static_cast<std::int64_t>(positions.size()); }
};

// To encode: a row is its position. `levels` has passed check_levels(); level.size() is heads *
// tokens, one set for all of `heads` or one for each. By head, then by ascending level.
std::vector<Segment> segments_to_encode(const TokenLevels& levels, std::int64_t first_token,
                                        HeadRange heads);

// To decode: the kept tokens of a head are rows row_first, row_first + 1 and so on.
std::vector<Segment> segments_to_decode(std::span<const LevelSet> sets, std::int64_t first_token,
                                        std::int64_t row_first, HeadRange heads);

// kInternal: a select stage left something that is no set of levels.
Status check_levels(const TokenLevels& levels, std::int64_t tokens, std::int64_t kv_heads);

// One set instead of equal sets for all heads.
void merge_equal_heads(TokenLevels& levels);

// Of the heads from `first` on only, counted among those that `levels` is of.
void keep_heads(TokenLevels& levels, HeadRange heads);

}  // namespace sluice::kernels
