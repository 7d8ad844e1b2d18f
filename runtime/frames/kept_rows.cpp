// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/kept_rows.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace sluice::runtime {

KeptRows::KeptRows(std::int64_t layers, std::int64_t kv_heads, std::int64_t tokens)
    : layers_(layers),
      kv_heads_(kv_heads),
      tokens_(tokens),
      cells_left_(layers * tokens),
      claimed_(static_cast<std::size_t>(layers)),
      kept_(static_cast<std::size_t>(layers * kv_heads), 0) {}

Status KeptRows::claim(const PlannedFrame& place) {
  if (place.layer_first < 0 || place.layer_count < 1 || place.layer_count > layers_ ||
      place.layer_first > layers_ - place.layer_count || place.first_token < 0 ||
      place.first_token >= place.last_token || place.last_token > tokens_) {
    return make_error(ErrorCode::kCorrupt, "a frame of KV lies outside its request");
  }
  const std::int64_t layer_last = place.layer_first + place.layer_count;
  for (std::int64_t layer = place.layer_first; layer < layer_last; ++layer) {
    const auto& claimed = claimed_[static_cast<std::size_t>(layer)];
    const auto after = claimed.lower_bound(place.first_token);
    const bool is_over_next = after != claimed.end() && after->first < place.last_token;
    const bool is_over_last =
        after != claimed.begin() && std::prev(after)->second > place.first_token;
    if (is_over_next || is_over_last) {
      return make_error(ErrorCode::kCorrupt, "frames of KV overlap");
    }
  }
  for (std::int64_t layer = place.layer_first; layer < layer_last; ++layer) {
    claimed_[static_cast<std::size_t>(layer)].emplace(place.first_token, place.last_token);
  }
  return {};
}

Status KeptRows::keep(const kernels::FrameInfo& frame) {
  const std::int64_t tokens = frame.last_token - frame.first_token;
  const bool keeps_all = std::all_of(frame.kept.begin(), frame.kept.end(),
                                     [&](std::int32_t kept) { return kept == tokens; });
  if (frame.kept.size() != static_cast<std::size_t>(frame.layer_count * kv_heads_) ||
      (tokens != tokens_ && !keeps_all)) {
    return make_error(ErrorCode::kCorrupt, "a frame of a part of the prompt leaves tokens out");
  }
  for (std::size_t i = 0; i < frame.kept.size(); ++i) {
    kept_[static_cast<std::size_t>(frame.layer_first * kv_heads_) + i] += frame.kept[i];
  }
  cells_left_ -= frame.layer_count * tokens;
  return {};
}

bool KeptRows::is_complete() const { return cells_left_ == 0; }

std::vector<std::int64_t> KeptRows::dropped() const {
  std::vector<std::int64_t> dropped;
  for (const std::int64_t kept : kept_) dropped.push_back(tokens_ - kept);
  const bool none =
      std::all_of(dropped.begin(), dropped.end(), [](std::int64_t rows) { return rows == 0; });
  if (none) dropped.clear();
  return dropped;
}

double KeptRows::kept_share() const {
  const auto kept = std::accumulate(kept_.begin(), kept_.end(), std::int64_t{0});
  return static_cast<double>(kept) /
         (static_cast<double>(kept_.size()) * static_cast<double>(tokens_));
}

}  // namespace sluice::runtime
