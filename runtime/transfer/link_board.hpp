// SPDX-License-Identifier: Apache-2.0
// What all workers report of their links, as one picture: for decisions, and for people when a link
// has changed. Pure: no clock, no transport; whoever owns it says when a report came.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "comm/transport.hpp"
#include "runtime/config/config.hpp"
#include "runtime/transfer/messages.hpp"
#include "scheduler/snapshot.hpp"

namespace sluice::runtime {

// A link whose free rate has become another one, and stayed there.
struct LinkChange {
  comm::NodeId source = 0;
  comm::NodeId target = 0;
  double before_bytes_per_s = 0.0;
  double after_bytes_per_s = 0.0;
};

// "rank 1 -> rank 3: 940 Mbit/s -> 48 Mbit/s free".
std::string text_of(const LinkChange& change);
// "48 Mbit/s", "9.4 Gbit/s": three figures at most.
std::string rate_text(double bytes_per_s);

struct LinkBoardOptions {
  // Who has not reported for so long sends nothing now; what its links can carry is still known.
  std::int64_t traffic_stale_us = 2'000'000;
  // After this it is not.
  std::int64_t forget_after_us = 600'000'000;
  // A rate is another one when it has been for so long, in two reports at least.
  std::int64_t hold_us = 1'000'000;
  // For how long the largest sum that an uplink has carried says what it can carry.
  std::int64_t uplink_period_us = 60'000'000;
};

class LinkBoard {
 public:
  // `hosts`: of each rank, as in Hello; ranks of one host share its cards. Without, each rank has a
  // card of its own.
  explicit LinkBoard(TopologyConfig topology, std::vector<std::string> hosts = {},
                     LinkBoardOptions options = {});

  void take(comm::NodeId reporter, const LinksMessage& message, std::int64_t now_us);
  // Another process is behind this rank, or none: what was known of its links is not.
  void forget(comm::NodeId node);

  // Puts links and uplinks into the snapshot, in place of those in it.
  void fill(scheduler::Snapshot& snapshot, std::int64_t now_us) const;

  // Since the last call: rates that differ by more than half from what was last said, and have
  // stayed the same since for a second.
  std::vector<LinkChange> take_changes() { return std::exchange(changes_, {}); }

 private:
  struct Link {
    LinkReport report;  // with plain numbers only
    std::int64_t taken_us = 0;
    double said_bytes_per_s = 0.0;  // 0: nothing yet
    double candidate_bytes_per_s = 0.0;
    std::int64_t candidate_us = 0;  // since when
  };
  // The largest sum of a period and of the one before.
  struct Peak {
    double now = 0.0;
    double before = 0.0;
    std::int64_t since_us = 0;
    std::int64_t seen_us = -1;
  };
  using Key = std::pair<comm::NodeId, comm::NodeId>;

  void notice(const Key& key, Link& link);
  bool is_current(const Link& link, std::int64_t now_us) const {
    return now_us - link.taken_us <= options_.traffic_stale_us;
  }
  std::int64_t busy_links_of(const scheduler::UplinkState& uplink, std::int64_t now_us) const;
  scheduler::LinkFigures traffic_of(const scheduler::UplinkState& uplink,
                                    std::int64_t now_us) const;
  double foreign_out_of(const scheduler::UplinkState& uplink, std::int64_t now_us) const;
  void watch_peaks(std::int64_t now_us);

  TopologyConfig topology_;
  std::vector<std::string> hosts_;
  LinkBoardOptions options_;
  std::map<Key, Link> links_;
  std::vector<scheduler::UplinkState> uplinks_;  // without figures
  std::vector<Peak> peaks_;                      // of each of them
  std::vector<LinkChange> changes_;
};

}  // namespace sluice::runtime
