// SPDX-License-Identifier: Apache-2.0
// Who sends what to whom, when prefill and decode split a model's cache differently.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/kv/cache_range.hpp"

namespace sluice::runtime {

// What two ranges have in common; no layers and no heads if nothing.
CacheRange common_range(const CacheRange& a, const CacheRange& b);

// The KV heads of `whole` among so many ranks, as evenly as they go: rank by rank. More ranks than
// heads share them, several with the same head, as tensor parallelism of a higher degree does.
std::vector<CacheRange> split_heads(const CacheRange& whole, std::int32_t ranks);

struct ReshardMove {
  std::size_t source = 0;  // index of the rank
  std::size_t target = 0;
  CacheRange range;  // what the source sends it

  friend bool operator==(const ReshardMove&, const ReshardMove&) = default;
};

// What each source sends so that every target has all of its range, each part once. By target, then
// by layer and head. Sources of equal ranges hold the same and take turns. kInvalidArgument: ranges
// of sources overlap without being equal, or a target needs what no source holds.
Result<std::vector<ReshardMove>> reshard_plan(std::span<const CacheRange> sources,
                                              std::span<const CacheRange> targets);

}  // namespace sluice::runtime
