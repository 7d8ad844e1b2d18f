// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/reshard.hpp"

#include <algorithm>
#include <string>
#include <tuple>

namespace sluice::runtime {
namespace {

std::int64_t cells_of(const CacheRange& range) {
  return std::int64_t{range.layer_count} * range.head_count;
}

bool is_empty(const CacheRange& range) { return range.layer_count < 1 || range.head_count < 1; }

// Ranks that hold the same.
struct Holders {
  CacheRange range;
  std::vector<std::size_t> ranks;
};

Result<std::vector<Holders>> holders_of(std::span<const CacheRange> sources) {
  std::vector<Holders> all;
  for (std::size_t rank = 0; rank < sources.size(); ++rank) {
    const CacheRange& range = sources[rank];
    if (is_empty(range)) continue;
    const auto same = std::find_if(all.begin(), all.end(),
                                   [&](const Holders& each) { return each.range == range; });
    if (same != all.end()) {
      same->ranks.push_back(rank);
      continue;
    }
    for (const Holders& each : all) {
      if (is_empty(common_range(each.range, range))) continue;
      return make_error(ErrorCode::kInvalidArgument,
                        "ranks " + std::to_string(each.ranks.front()) + " and " +
                            std::to_string(rank) +
                            " hold parts of the cache that overlap and are not the same");
    }
    all.push_back({range, {rank}});
  }
  std::sort(all.begin(), all.end(), [](const Holders& a, const Holders& b) {
    return std::tie(a.range.layer_first, a.range.head_first) <
           std::tie(b.range.layer_first, b.range.head_first);
  });
  return all;
}

}  // namespace

CacheRange common_range(const CacheRange& a, const CacheRange& b) {
  const auto layer_first = std::max(a.layer_first, b.layer_first);
  const auto head_first = std::max(a.head_first, b.head_first);
  const auto layers =
      std::min(a.layer_first + a.layer_count, b.layer_first + b.layer_count) - layer_first;
  const auto heads =
      std::min(a.head_first + a.head_count, b.head_first + b.head_count) - head_first;
  if (layers < 1 || heads < 1) return {};
  return {layer_first, layers, head_first, heads};
}

std::vector<CacheRange> split_heads(const CacheRange& whole, std::int32_t ranks) {
  std::vector<CacheRange> parts;
  const std::int64_t heads = whole.head_count;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const std::int64_t first = rank * heads / ranks;
    const std::int64_t last = std::max((rank + 1) * heads / ranks, std::min(first + 1, heads));
    parts.push_back({whole.layer_first, whole.layer_count,
                     static_cast<std::int32_t>(whole.head_first + first),
                     static_cast<std::int32_t>(last - first)});
  }
  return parts;
}

Result<std::vector<ReshardMove>> reshard_plan(std::span<const CacheRange> sources,
                                              std::span<const CacheRange> targets) {
  const std::vector<Holders> holders = SLUICE_TRY(holders_of(sources));
  std::vector<ReshardMove> moves;
  for (std::size_t target = 0; target < targets.size(); ++target) {
    std::int64_t missing = cells_of(targets[target]);
    for (const Holders& each : holders) {
      const CacheRange range = common_range(each.range, targets[target]);
      if (is_empty(range)) continue;
      moves.push_back({each.ranks[target % each.ranks.size()], target, range});
      missing -= cells_of(range);
    }
    if (missing != 0) {
      return make_error(ErrorCode::kInvalidArgument,
                        "target rank " + std::to_string(target) +
                            " needs a part of the cache that no source rank holds");
    }
  }
  return moves;
}

}  // namespace sluice::runtime
