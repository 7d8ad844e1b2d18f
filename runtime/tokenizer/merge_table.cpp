// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/merge_table.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace sluice::runtime {
namespace {

// Below this a scan over an array beats a heap; most pre-tokens are shorter.
constexpr std::size_t kShortSymbols = 32;
constexpr std::int32_t kNoRank = std::numeric_limits<std::int32_t>::max();

}  // namespace

MergeTable::MergeTable(std::span<const MergeRule> rules) {
  slots_.resize(std::bit_ceil(std::max<std::size_t>(rules.size() * 2, 16)));
  mask_ = slots_.size() - 1;
  for (const auto& rule : rules) {
    const std::uint64_t key = key_of(rule.left, rule.right);
    std::size_t at = hash(key) & mask_;
    while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & mask_;
    // A pair given twice: the last one counts, as in a map that is filled in order.
    slots_[at] = {key, {rule.rank, rule.merged}};
  }
}

void Merger::apply(std::vector<TokenId>& symbols) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kShortSymbols) {
    apply_short(symbols);
  } else {
    apply_long(symbols);
  }
}

void Merger::apply_short(std::vector<TokenId>& symbols) {
  // ranks_[i] is the merge of symbols i and i + 1.
  const auto look_up = [&](std::size_t i) {
    const auto* merge = table_.find(symbols[i], symbols[i + 1]);
    return merge == nullptr ? MergeTable::Merge{kNoRank, 0} : *merge;
  };
  std::size_t size = symbols.size();
  ranks_.resize(size);
  for (std::size_t i = 0; i + 1 < size; ++i) ranks_[i] = look_up(i);
  while (size > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < size; ++i) {
      if (ranks_[i].rank < ranks_[best].rank) best = i;
    }
    if (ranks_[best].rank == kNoRank) break;
    symbols[best] = ranks_[best].merged;
    for (std::size_t i = best + 1; i + 1 < size; ++i) {
      symbols[i] = symbols[i + 1];
      ranks_[i] = ranks_[i + 1];
    }
    --size;
    if (best + 1 < size) ranks_[best] = look_up(best);
    if (best > 0) ranks_[best - 1] = look_up(best - 1);
  }
  symbols.resize(size);
}

void Merger::push_candidate(std::int32_t position) {
  const Node& node = nodes_[static_cast<std::size_t>(position)];
  if (node.next < 0) return;
  const auto* merge = table_.find(node.id, nodes_[static_cast<std::size_t>(node.next)].id);
  if (merge == nullptr) return;
  heap_.push_back({merge->rank, position, merge->merged});
  std::push_heap(heap_.begin(), heap_.end());
}

void Merger::apply_long(std::vector<TokenId>& symbols) {
  const auto count = static_cast<std::int32_t>(symbols.size());
  nodes_.clear();
  heap_.clear();
  for (std::int32_t i = 0; i < count; ++i) {
    nodes_.push_back({symbols[static_cast<std::size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1});
  }
  for (std::int32_t i = 0; i + 1 < count; ++i) push_candidate(i);
  constexpr TokenId kGone = -1;
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Candidate candidate = heap_.back();
    heap_.pop_back();
    Node& node = nodes_[static_cast<std::size_t>(candidate.position)];
    if (node.id == kGone || node.next < 0) continue;
    Node& right = nodes_[static_cast<std::size_t>(node.next)];
    // The pair may have changed since it was pushed; its successor has a candidate of its own.
    const auto* merge = table_.find(node.id, right.id);
    if (merge == nullptr || merge->merged != candidate.merged || merge->rank != candidate.rank) {
      continue;
    }
    node.id = merge->merged;
    right.id = kGone;
    node.next = right.next;
    if (node.next >= 0) nodes_[static_cast<std::size_t>(node.next)].previous = candidate.position;
    if (node.previous >= 0) push_candidate(node.previous);
    push_candidate(candidate.position);
  }
  symbols.clear();
  for (std::int32_t i = 0; i >= 0; i = nodes_[static_cast<std::size_t>(i)].next) {
    symbols.push_back(nodes_[static_cast<std::size_t>(i)].id);
  }
}

}  // namespace sluice::runtime
