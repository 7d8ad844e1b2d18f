// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/cell_cover.hpp"

#include <iterator>
#include <limits>

namespace sluice::runtime {
namespace {

bool is_sound(std::int32_t first, std::int32_t count) {
  return first >= 0 && count > 0 && first <= std::numeric_limits<std::int32_t>::max() - count;
}

}  // namespace

bool is_sound(const CacheRange& range) {
  return is_sound(range.layer_first, range.layer_count) &&
         is_sound(range.head_first, range.head_count);
}

bool contains(const CacheRange& whole, const CacheRange& part) {
  return part.layer_first >= whole.layer_first && part.head_first >= whole.head_first &&
         part.layer_first + part.layer_count <= whole.layer_first + whole.layer_count &&
         part.head_first + part.head_count <= whole.head_first + whole.head_count;
}

bool overlap(const CacheRange& a, const CacheRange& b) {
  return a.layer_first < b.layer_first + b.layer_count &&
         b.layer_first < a.layer_first + a.layer_count &&
         a.head_first < b.head_first + b.head_count && b.head_first < a.head_first + a.head_count;
}

CellCover::CellCover(const CacheRange& range, std::int64_t tokens)
    : range_(range),
      tokens_(tokens),
      cells_left_(std::int64_t{range.layer_count} * range.head_count * tokens),
      runs_(static_cast<std::size_t>(range.layer_count) *
            static_cast<std::size_t>(range.head_count)) {}

CellCover::Runs& CellCover::runs(std::int32_t layer, std::int32_t head) {
  return runs_[static_cast<std::size_t>(layer - range_.layer_first) *
                   static_cast<std::size_t>(range_.head_count) +
               static_cast<std::size_t>(head - range_.head_first)];
}

Status CellCover::claim(const CacheRange& part, std::int64_t first_token, std::int64_t last_token) {
  if (!is_sound(part) || !contains(range_, part) || first_token < 0 || first_token >= last_token ||
      last_token > tokens_) {
    return make_error(ErrorCode::kCorrupt, "a frame of KV lies outside its request");
  }
  const std::int32_t layer_last = part.layer_first + part.layer_count;
  const std::int32_t head_last = part.head_first + part.head_count;
  for (std::int32_t layer = part.layer_first; layer < layer_last; ++layer) {
    for (std::int32_t head = part.head_first; head < head_last; ++head) {
      const Runs& here = runs(layer, head);
      const auto after = here.lower_bound(first_token);
      if ((after != here.end() && after->first < last_token) ||
          (after != here.begin() && std::prev(after)->second > first_token)) {
        return make_error(ErrorCode::kCorrupt, "frames of KV overlap");
      }
    }
  }
  for (std::int32_t layer = part.layer_first; layer < layer_last; ++layer) {
    for (std::int32_t head = part.head_first; head < head_last; ++head) {
      Runs& here = runs(layer, head);
      const auto after = here.lower_bound(first_token);
      std::int64_t last = last_token;
      if (after != here.end() && after->first == last_token) last = after->second;
      if (after != here.begin() && std::prev(after)->second == first_token) {
        std::prev(after)->second = last;
        if (last != last_token) here.erase(after);
      } else {
        if (last != last_token) here.erase(after);
        here.emplace(first_token, last);
      }
    }
  }
  cells_left_ -= std::int64_t{part.layer_count} * part.head_count * (last_token - first_token);
  return {};
}

}  // namespace sluice::runtime
