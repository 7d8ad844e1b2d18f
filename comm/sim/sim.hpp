// SPDX-License-Identifier: Apache-2.0
// A transport in a simulated world: virtual time, links with bandwidth, delay and disorder, faults,
// all from one seed. The code above it is the production code; a whole cluster runs in one thread.
//
// Bytes of a write land in the target's memory when the link has carried them, not before; a flush
// comes back after all writes before it have landed. Nothing here reads the machine's clock.
#pragma once

#include <cstdint>
#include <memory>

#include "comm/registry.hpp"

namespace sluice::comm::sim {

struct LinkModel {
  double bytes_per_s = 1e9;
  std::int64_t delay_us = 20;   // one way
  std::int64_t jitter_us = 10;  // added at random to each message: they overtake each other
};

struct WorldOptions {
  std::uint64_t seed = 1;
  LinkModel link;                        // of every pair, until set_link()
  double corrupt_write_chance = 0.0;     // a byte of a landed write is flipped
  std::int64_t loss_notice_us = 50'000;  // a killed peer's end is noticed within about this time
};

class World {
 public:
  virtual ~World() = default;
  virtual std::int64_t now_us() const = 0;

  // Lets everything happen up to the next moment at which some transport has something to poll, or
  // a wait() of some transport ends; false when nothing is on its way and nobody waits.
  virtual bool advance() = 0;

  virtual void set_link(NodeId from, NodeId to, const LinkModel& link) = 0;
  // Both ways: nothing arrives, nothing is reported; what was under way arrives after it ends.
  virtual void set_partition(NodeId a, NodeId b, bool is_parted) = 0;
  // A stopped process: what it posted before still lands; it sees nothing until it goes on.
  virtual void set_frozen(NodeId node, bool is_frozen) = 0;
  // Its writes under way may land in part, then nothing of it lands; peers get kPeerLost, kGone.
  // Destroying a transport does the same.
  virtual void kill(NodeId node) = 0;
};

std::shared_ptr<World> make_world(const WorldOptions& options);

// wait() of such a transport does not sleep: it notes when the node wants to run again, for
// advance().
Result<std::unique_ptr<Transport>> open_sim_on(std::shared_ptr<World> world,
                                               const TransportOptions& options);

// On the process's own world, for the registry: here wait() advances that world itself.
Result<std::unique_ptr<Transport>> open_sim(const TransportOptions& options);

}  // namespace sluice::comm::sim
