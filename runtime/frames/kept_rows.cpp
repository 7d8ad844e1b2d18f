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
      arrived_(static_cast<std::size_t>(layers)),
      kept_(static_cast<std::size_t>(layers * kv_heads), 0) {}

Status KeptRows::add(const kernels::FrameInfo& frame) {
  const auto corrupt = [](const char* what) { return make_error(ErrorCode::kCorrupt, what); };
  if (frame.layer_first < 0 || frame.layer_count < 1 ||
      frame.layer_count > layers_ - frame.layer_first || frame.first_token < 0 ||
      frame.first_token >= frame.last_token || frame.last_token > tokens_ ||
      frame.kept.size() != static_cast<std::size_t>(frame.layer_count * kv_heads_)) {
    return corrupt("a frame of KV lies outside its request");
  }
  const std::int64_t tokens = frame.last_token - frame.first_token;
  const bool keeps_all = std::all_of(frame.kept.begin(), frame.kept.end(),
                                     [&](std::int32_t kept) { return kept == tokens; });
  if (tokens != tokens_ && !keeps_all) {
    return corrupt("a frame of a part of the prompt leaves tokens out");
  }
  for (std::int64_t layer = frame.layer_first; layer < frame.layer_first + frame.layer_count;
       ++layer) {
    auto& arrived = arrived_[static_cast<std::size_t>(layer)];
    const auto after = arrived.lower_bound(frame.first_token);
    const bool is_over_next = after != arrived.end() && after->first < frame.last_token;
    const bool is_over_last =
        after != arrived.begin() && std::prev(after)->second > frame.first_token;
    if (is_over_next || is_over_last) return corrupt("frames of KV overlap");
  }
  for (std::int64_t i = 0; i < frame.layer_count; ++i) {
    const std::int64_t layer = frame.layer_first + i;
    arrived_[static_cast<std::size_t>(layer)].emplace(frame.first_token, frame.last_token);
    for (std::int64_t head = 0; head < kv_heads_; ++head) {
      kept_[static_cast<std::size_t>(layer * kv_heads_ + head)] +=
          frame.kept[static_cast<std::size_t>(i * kv_heads_ + head)];
    }
    cells_left_ -= tokens;
  }
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
