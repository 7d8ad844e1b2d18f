// SPDX-License-Identifier: Apache-2.0
// The counters of the network cards under a process's links, for the links' meters.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "comm/link/nic_counters.hpp"
#include "comm/transport.hpp"

namespace sluice::runtime {

class LinkCards {
 public:
  // `sysfs`: for tests.
  explicit LinkCards(std::filesystem::path sysfs = "/sys") : sysfs_(std::move(sysfs)) {}

  // For a link that is busy, as often as one likes: what is counted, when it is due. A link over
  // several cards is one with the sum of their counts; one over none has nothing.
  std::optional<comm::NicSample> due(const comm::Transport& transport, comm::NodeId peer);

  // Its lanes may be others from now on.
  void forget(comm::NodeId peer) { links_.erase(peer); }

 private:
  struct Link {
    bool are_lanes_known = false;
    std::vector<comm::NicCounters> cards;
    std::int64_t due_us = 0;
  };
  void find_cards(const comm::Transport& transport, comm::NodeId peer, Link& link) const;

  std::filesystem::path sysfs_;
  std::map<comm::NodeId, Link> links_;
};

}  // namespace sluice::runtime
