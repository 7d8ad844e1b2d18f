// SPDX-License-Identifier: Apache-2.0
// A transport in a simulated world: virtual time, links with bandwidth, delay and disorder, faults,
// all from one seed. The code above it is the production code; a whole cluster runs in one thread.
//
// Bytes of a write land in the target's memory when the link has carried them, not before; a flush
// comes back after all writes before it have landed. Nothing here reads the machine's clock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "comm/registry.hpp"

namespace sluice::comm::sim {

struct LinkModel {
  double bytes_per_s = 1e9;     // of all writes from one node to another together, one by one
  std::int64_t delay_us = 20;   // one way
  std::int64_t jitter_us = 10;  // added at random to each message: they overtake each other
};

struct WorldOptions {
  std::uint64_t seed = 1;
  LinkModel link;                        // of every pair, until set_link()
  double corrupt_write_chance = 0.0;     // a byte of a landed write is flipped
  std::int64_t loss_notice_us = 50'000;  // a killed peer's end is noticed within about this time
};

// What a node posts, for traces and for faults at a chosen stage of a protocol.
struct Posted {
  enum class Kind : std::uint8_t { kMessage, kWrite, kFlush };
  Kind kind = Kind::kMessage;
  NodeId from = 0;
  NodeId to = 0;
  std::uint16_t type = 0;  // kMessage
  Bytes bytes;             // kMessage, kWrite; valid during the call
};

class World {
 public:
  virtual ~World() = default;
  virtual std::int64_t now_us() const = 0;

  // Lets everything happen up to the next moment at which some transport has something to poll, a
  // wait() of some transport ends, or an act of at() has run; false when nothing is on its way and
  // nobody waits. Time stands still while a node has not polled all there is: poll until nothing
  // comes, or wait().
  virtual bool advance() = 0;
  // Has `act` run by advance() at that moment, or at once when it has passed.
  virtual void at(std::int64_t when_us, std::function<void()> act) = 0;
  // Called from within send(), write() and flush(). A fault belongs into an act of at().
  virtual void observe(std::function<void(const Posted&)> observer) = 0;

  virtual void set_link(NodeId from, NodeId to, const LinkModel& link) = 0;
  // What all links into a node share, and likewise all out of it. Without: no limit.
  virtual void set_port(NodeId node, double bytes_per_s) = 0;
  virtual void set_corrupt_write_chance(double chance) = 0;
  // Both ways: nothing arrives, nothing is reported; what was under way arrives after it ends.
  virtual void set_partition(NodeId a, NodeId b, bool is_parted) = 0;
  // A stopped process: what it posted before still lands; it sees nothing until it goes on.
  virtual void set_frozen(NodeId node, bool is_frozen) = 0;
  // Its writes under way may land in part, then nothing of it lands; peers get kPeerLost, kGone.
  // Destroying a transport does the same.
  virtual void kill(NodeId node) = 0;

  // Of writes, in the target's memory.
  virtual std::uint64_t landed_bytes(NodeId from, NodeId to) const = 0;
  virtual std::uint64_t corrupted_writes() const = 0;
};

std::shared_ptr<World> make_world(const WorldOptions& options);

// wait() of such a transport does not sleep: it notes when the node wants to run again, for
// advance(). `world` is of make_world().
Result<std::unique_ptr<Transport>> open_sim_on(std::shared_ptr<World> world,
                                               const TransportOptions& options);

// On the process's own world, for the registry: here wait() advances that world itself.
Result<std::unique_ptr<Transport>> open_sim(const TransportOptions& options);

}  // namespace sluice::comm::sim
