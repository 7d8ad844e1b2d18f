// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/kept_rows.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace sluice::runtime {
namespace {

std::int64_t cells_of(const CacheRange& range) {
  return std::int64_t{range.layer_count} * range.head_count;
}

bool is_within(std::int64_t first, std::int64_t count, std::int64_t all_first, std::int64_t all) {
  return first >= all_first && count >= 1 && count <= all && first - all_first <= all - count;
}

// first -> last token of what was claimed.
using Claims = std::map<std::int64_t, std::int64_t>;

bool is_free(const Claims& claims, std::int64_t first, std::int64_t last) {
  const auto after = claims.lower_bound(first);
  const bool is_over_next = after != claims.end() && after->first < last;
  const bool is_over_last = after != claims.begin() && std::prev(after)->second > first;
  return !is_over_next && !is_over_last;
}

}  // namespace

KeptRows::KeptRows(std::int64_t layers, std::int64_t kv_heads, std::int64_t tokens)
    : KeptRows({.layer_first = 0,
                .layer_count = static_cast<std::int32_t>(layers),
                .head_first = 0,
                .head_count = static_cast<std::int32_t>(kv_heads)},
               tokens) {}

KeptRows::KeptRows(const CacheRange& range, std::int64_t tokens)
    : range_(range),
      tokens_(tokens),
      cells_left_(cells_of(range) * tokens),
      claimed_(static_cast<std::size_t>(cells_of(range))),
      kept_(static_cast<std::size_t>(cells_of(range)), 0) {}

std::size_t KeptRows::at(std::int64_t layer, std::int64_t head) const {
  return static_cast<std::size_t>((layer - range_.layer_first) * range_.head_count + head -
                                  range_.head_first);
}

void KeptRows::have(std::int64_t tokens) {
  for (auto& claims : claimed_) claims.emplace(0, tokens);
  for (std::int64_t& kept : kept_) kept += tokens;
  cells_left_ -= cells_of(range_) * tokens;
}

Status KeptRows::claim(const PlannedFrame& place) {
  const bool are_all = place.head_count == 0;
  const std::int64_t head_first = are_all ? range_.head_first : place.head_first;
  const std::int64_t head_count = are_all ? range_.head_count : place.head_count;
  if (!is_within(place.layer_first, place.layer_count, range_.layer_first, range_.layer_count) ||
      !is_within(head_first, head_count, range_.head_first, range_.head_count) ||
      place.first_token < 0 || place.first_token >= place.last_token ||
      place.last_token > tokens_) {
    return make_error(ErrorCode::kCorrupt, "a frame of KV lies outside its request");
  }
  const auto each_cell = [&](const auto& body) {
    for (std::int64_t layer = 0; layer < place.layer_count; ++layer) {
      for (std::int64_t head = 0; head < head_count; ++head) {
        body(claimed_[at(place.layer_first + layer, head_first + head)]);
      }
    }
  };
  bool are_free = true;
  each_cell([&](const Claims& claims) {
    are_free = are_free && is_free(claims, place.first_token, place.last_token);
  });
  if (!are_free) return make_error(ErrorCode::kCorrupt, "frames of KV overlap");
  each_cell([&](Claims& claims) { claims.emplace(place.first_token, place.last_token); });
  return {};
}

Status KeptRows::keep(const kernels::FrameInfo& frame) {
  const std::int64_t tokens = frame.last_token - frame.first_token;
  if (!is_within(frame.layer_first, frame.layer_count, range_.layer_first, range_.layer_count) ||
      !is_within(frame.head_first, frame.head_count, range_.head_first, range_.head_count)) {
    return make_error(ErrorCode::kCorrupt, "a frame of KV lies outside its request");
  }
  const bool keeps_all = std::all_of(frame.kept.begin(), frame.kept.end(),
                                     [&](std::int32_t kept) { return kept == tokens; });
  if (frame.kept.size() != static_cast<std::size_t>(frame.layer_count * frame.head_count) ||
      (tokens != tokens_ && !keeps_all)) {
    return make_error(ErrorCode::kCorrupt, "a frame of a part of the prompt leaves tokens out");
  }
  auto kept = frame.kept.begin();
  for (std::int64_t layer = 0; layer < frame.layer_count; ++layer) {
    for (std::int64_t head = 0; head < frame.head_count; ++head) {
      kept_[at(frame.layer_first + layer, frame.head_first + head)] += *kept++;
    }
  }
  cells_left_ -= frame.layer_count * frame.head_count * tokens;
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
