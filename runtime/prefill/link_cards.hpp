// SPDX-License-Identifier: Apache-2.0
// Feeds the counters of the network cards under a process's links to the links' meters.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "comm/link/nic_counters.hpp"
#include "comm/transport.hpp"

namespace sluice::runtime {

class LinkCards {
 public:
  // `sysfs`: for tests.
  explicit LinkCards(std::filesystem::path sysfs = "/sys") : sysfs_(std::move(sysfs)) {}

  // For a link that is busy, as often as one likes: reads when it is due. A link over several cards
  // is one with the sum of their counts; one over none is left alone.
  void feed(const comm::Transport& transport, comm::NodeId peer, comm::LinkMeter& meter);

  // Its lanes may be others from now on.
  void forget(comm::NodeId peer) { links_.erase(peer); }

 private:
  struct Link {
    bool are_lanes_known = false;
    std::vector<comm::NicCounters> cards;
    std::int64_t due_us = 0;
  };
  std::optional<comm::NicSample> sample(const Link& link) const;

  std::filesystem::path sysfs_;
  std::map<comm::NodeId, Link> links_;
};

}  // namespace sluice::runtime
