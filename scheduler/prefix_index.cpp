// SPDX-License-Identifier: Apache-2.0
#include "scheduler/prefix_index.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace sluice::scheduler {
namespace {

// Lists shorter than this are not worth a sweep.
constexpr std::size_t kSweepMin = 64;

// Workers that hold all blocks so far, ascending, and the place of each in the answer.
struct Followed {
  std::vector<std::uint32_t> nodes;
  std::vector<std::size_t> places;
};

// Leaves those that are in `holders` too. Both ascend, and `holders` may be far longer: it is
// searched, with steps that double.
void keep_holders(const std::vector<std::uint32_t>& holders, Followed& followed) {
  auto from = holders.begin();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < followed.nodes.size() && from != holders.end(); ++i) {
    const std::uint32_t node = followed.nodes[i];
    std::ptrdiff_t step = 1;
    while (holders.end() - from > step && from[step] <= node) {
      from += step;
      step *= 2;
    }
    from = std::lower_bound(from, from + std::min(step, holders.end() - from), node);
    if (from == holders.end() || *from != node) continue;
    followed.nodes[kept] = node;
    followed.places[kept++] = followed.places[i];
  }
  followed.nodes.resize(kept);
  followed.places.resize(kept);
}

}  // namespace

bool PrefixIndex::holds(std::uint32_t node, PrefixHash block) const {
  const auto found = holders_.find(block);
  return found != holders_.end() && std::ranges::binary_search(found->second, node);
}

void PrefixIndex::store(std::uint32_t node, std::span<const PrefixHash> blocks) {
  if (blocks.empty()) return;
  Held& held = held_[node];
  for (const PrefixHash block : blocks) {
    if (held.count >= node_blocks_max_) return;
    auto& holders = holders_[block];
    const auto place = std::ranges::lower_bound(holders, node);
    if (place != holders.end() && *place == node) continue;
    holders.insert(place, node);
    held.blocks.push_back(block);
    ++held.count;
    ++entries_;
    sweep(node, held);
  }
}

// False: it was not there.
bool PrefixIndex::erase(std::uint32_t node, PrefixHash block) {
  const auto found = holders_.find(block);
  if (found == holders_.end()) return false;
  const auto place = std::ranges::lower_bound(found->second, node);
  if (place == found->second.end() || *place != node) return false;
  found->second.erase(place);
  if (found->second.empty()) holders_.erase(found);
  --entries_;
  return true;
}

void PrefixIndex::evict(std::uint32_t node, std::span<const PrefixHash> blocks) {
  const auto found = held_.find(node);
  if (found == held_.end()) return;
  Held& held = found->second;
  for (const PrefixHash block : blocks) {
    if (erase(node, block)) --held.count;
  }
  if (held.count == 0) {
    held_.erase(found);
  } else {
    sweep(node, held);
  }
}

// Drops from the list what is evicted, when that is half of it.
void PrefixIndex::sweep(std::uint32_t node, Held& held) const {
  if (held.blocks.size() < std::max(kSweepMin, 2 * held.count)) return;
  std::ranges::sort(held.blocks);
  const auto twice = std::ranges::unique(held.blocks);
  held.blocks.erase(twice.begin(), twice.end());
  std::erase_if(held.blocks, [&](PrefixHash block) { return !holds(node, block); });
  if (held.blocks.capacity() > 4 * held.blocks.size()) held.blocks.shrink_to_fit();
}

void PrefixIndex::forget(std::uint32_t node) {
  const auto found = held_.find(node);
  if (found == held_.end()) return;
  for (const PrefixHash block : found->second.blocks) (void)erase(node, block);
  held_.erase(found);
}

std::vector<PrefixIndex::Cached> PrefixIndex::find(std::span<const PrefixHash> blocks) const {
  std::vector<Cached> cached;
  if (blocks.empty()) return cached;
  const auto first = holders_.find(blocks.front());
  if (first == holders_.end()) return cached;
  Followed followed{first->second, {}};
  for (const std::uint32_t node : followed.nodes) cached.push_back({node, 0});
  followed.places.resize(cached.size());
  std::iota(followed.places.begin(), followed.places.end(), std::size_t{0});
  std::int64_t held = 1;
  const auto note = [&] {
    for (const std::size_t place : followed.places) cached[place].blocks = held;
  };
  for (const PrefixHash block : blocks.subspan(1)) {
    const auto found = holders_.find(block);
    if (found == holders_.end()) break;
    // Equal where all of them have seen the same prompts: the common case where many hold it.
    if (found->second != followed.nodes) {
      note();
      keep_holders(found->second, followed);
      if (followed.nodes.empty()) break;
    }
    ++held;
  }
  note();
  return cached;
}

}  // namespace sluice::scheduler
