// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/grant_queue.hpp"

#include <utility>

namespace sluice::runtime {

void GrantQueue::add(const Entry& entry, bool is_open) {
  Writer& writer = writers_[entry.writer];
  (is_open ? writer.open : writer.waiting).push_back({entry});
  ++size_;
}

void GrantQueue::open(RequestId request) {
  for (auto& [node, writer] : writers_) {
    for (auto at = writer.waiting.begin(); at != writer.waiting.end();) {
      if (at->entry.request != request) {
        ++at;
        continue;
      }
      writer.open.push_back(std::move(*at));
      at = writer.waiting.erase(at);
    }
  }
}

void GrantQueue::remove(const Entry& entry) {
  const auto found = writers_.find(entry.writer);
  if (found == writers_.end()) return;
  const auto is_it = [&](const Waiting& waiting) { return waiting.entry == entry; };
  size_ -= std::erase_if(found->second.open, is_it) + std::erase_if(found->second.waiting, is_it);
  if (found->second.is_empty()) writers_.erase(found);
  if (first_ == entry) first_.reset();
}

std::size_t GrantQueue::size_of(comm::NodeId writer) const {
  const auto found = writers_.find(writer);
  return found == writers_.end() ? 0 : found->second.open.size() + found->second.waiting.size();
}

void GrantQueue::count_passed() {
  for (auto& [node, writer] : writers_) {
    Waiting& next = writer.next();
    if (!next.is_refused) continue;
    ++next.passed;
    if (next.passed >= kPassedMax && !first_) first_ = next.entry;
  }
}

void GrantQueue::serve(const std::function<Answer(const Entry&)>& ask) {
  std::size_t refused = 0;  // in a row
  comm::NodeId node = last_served_;
  while (refused < writers_.size()) {
    auto at = writers_.upper_bound(node);
    if (at == writers_.end()) at = writers_.begin();
    node = at->first;
    Waiting& next = at->second.next();
    const Entry entry = next.entry;
    next.is_refused = true;
    const bool may_pass = !first_ || *first_ == entry || !at->second.open.empty();
    const Answer answer = may_pass ? ask(entry) : Answer::kNotNow;
    if (answer == Answer::kServed) {
      remove(entry);
      refused = 0;
      last_served_ = node;
      count_passed();
      continue;
    }
    ++refused;
    if (answer == Answer::kNotNow) continue;
    // `next` is still there: only what was served is gone.
    next.is_refused = false;
    if (first_ == entry) {
      first_.reset();
      refused = 0;  // those who could not pass it can now
    }
  }
}

}  // namespace sluice::runtime
