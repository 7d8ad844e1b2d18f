// SPDX-License-Identifier: Apache-2.0
// What will happen, by virtual time; of one moment in the order in which it was planned.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace sluice::comm::sim {

class Schedule {
 public:
  void add(std::int64_t when_ns, std::function<void()> act) {
    acts_.emplace(std::pair(when_ns, next_++), std::move(act));
  }
  std::optional<std::int64_t> next_ns() const {
    if (acts_.empty()) return std::nullopt;
    return acts_.begin()->first.first;
  }
  // The first act, taken out; there must be one.
  std::function<void()> take() {
    auto act = std::move(acts_.begin()->second);
    acts_.erase(acts_.begin());
    return act;
  }

 private:
  std::map<std::pair<std::int64_t, std::uint64_t>, std::function<void()>> acts_;
  std::uint64_t next_ = 0;
};

}  // namespace sluice::comm::sim
