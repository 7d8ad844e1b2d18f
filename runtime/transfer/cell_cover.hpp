// SPDX-License-Identifier: Apache-2.0
// Which cells of a part of a cache have been announced. A cell is one token of one KV head of one
// layer; each comes once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/kv/cache_range.hpp"

namespace sluice::runtime {

// Whether a range has cells at all, and none before the first layer and head or after the last one
// that an integer can name.
bool is_sound(const CacheRange& range);
bool contains(const CacheRange& whole, const CacheRange& part);  // both sound
bool overlap(const CacheRange& a, const CacheRange& b);          // both sound

class CellCover {
 public:
  // `range` is sound, and its heads x layers x tokens fit in 63 bits.
  CellCover(const CacheRange& range, std::int64_t tokens);

  // The tokens [first_token, last_token) of a part of the cache. kCorrupt, and nothing is taken:
  // they lie outside, or some of them have come before.
  Status claim(const CacheRange& part, std::int64_t first_token, std::int64_t last_token);

  bool is_complete() const { return cells_left_ == 0; }

 private:
  using Runs = std::map<std::int64_t, std::int64_t>;  // first -> last token; never adjacent

  Runs& runs(std::int32_t layer, std::int32_t head);

  CacheRange range_;
  std::int64_t tokens_;
  std::int64_t cells_left_;
  std::vector<Runs> runs_;  // [layer][head] of the range
};

}  // namespace sluice::runtime
