// SPDX-License-Identifier: Apache-2.0
// The requests that have ended here lately. Messages overtake each other: a Want that comes after
// the end of its request must not begin it again.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "comm/transport.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

class EndedRequests {
 public:
  // For all writers, or for one alone: what a stranger says ends nobody else's request.
  void add(RequestId request, std::optional<comm::NodeId> writer = std::nullopt) {
    const Key key{request, writer};
    if (!ended_.insert(key).second) return;
    order_.push_back(key);
    if (order_.size() <= kRememberedMax) return;
    ended_.erase(order_.front());
    order_.pop_front();
  }

  bool has(RequestId request, comm::NodeId writer) const {
    return ended_.contains({request, std::nullopt}) || ended_.contains({request, writer});
  }

  // Far more than can end while a message is under way.
  static constexpr std::size_t kRememberedMax = 4096;

 private:
  using Key = std::pair<RequestId, std::optional<comm::NodeId>>;

  std::set<Key> ended_;
  std::deque<Key> order_;  // as they were added
};

}  // namespace sluice::runtime
