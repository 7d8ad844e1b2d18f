// SPDX-License-Identifier: Apache-2.0
// Cancels that came before the requests they are for: a long prompt is overtaken.
#pragma once

#include <cstddef>
#include <deque>

#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// Most cancels of unknown requests are for those that have ended, so that only the latest are kept.
class EarlyCancels {
 public:
  void add(RequestId request) {
    requests_.push_back(request);
    if (requests_.size() > kMost) requests_.pop_front();
  }

  // Whether the request that comes now was cancelled before; once.
  bool take(RequestId request) { return std::erase(requests_, request) != 0; }

 private:
  // More are not on their way ahead of their requests at one moment.
  static constexpr std::size_t kMost = 1024;

  std::deque<RequestId> requests_;
};

}  // namespace sluice::runtime
