// SPDX-License-Identifier: Apache-2.0
// The simulated world: clock, links and faults. SimTransport is its face to one node.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/sim/process.hpp"
#include "comm/sim/random.hpp"
#include "comm/sim/schedule.hpp"
#include "comm/sim/sim.hpp"

namespace sluice::comm::sim {

// One lock around all: a world is one thread's, but any may call wake(), and the registry's world
// serves tests with several threads. Recursive, since acts call the world.
class SimWorld final : public World {
 public:
  explicit SimWorld(const WorldOptions& options) : options_(options), random_(options.seed) {}

  std::int64_t now_us() const override;
  bool advance() override;
  void at(std::int64_t when_us, std::function<void()> act) override;
  void observe(std::function<void(const Posted&)> observer) override;
  void set_link(NodeId from, NodeId to, const LinkModel& link) override;
  void set_port(NodeId node, double bytes_per_s) override;
  void set_corrupt_write_chance(double chance) override;
  void set_partition(NodeId a, NodeId b, bool is_parted) override;
  void set_frozen(NodeId node, bool is_frozen) override;
  void kill(NodeId node) override;
  std::uint64_t landed_bytes(NodeId from, NodeId to) const override;
  std::uint64_t corrupted_writes() const override;

  // For the transports, which name themselves by their tokens.
  Token add_process(NodeId self);
  void remove_process(Token token);
  void connect(Token self, NodeId peer, Token token);
  void close(Token self, NodeId peer);
  bool is_connected(Token self, NodeId peer) const;
  Result<Region> allocate(Token self, std::size_t bytes);
  void release(Token self, std::uint32_t region);
  // The size of a region of this process.
  Result<std::size_t> region_bytes(Token self, std::uint32_t region) const;
  Result<RemoteRegion> import_region(Token self, NodeId peer, Token owner, const Region& region);
  void forget_region(Token self, std::uint32_t imported);
  Status write(Token self, const RemoteRegion& target, std::size_t offset_bytes, Bytes source,
               OperationId operation);
  Status flush(Token self, NodeId peer, OperationId operation);
  Status send(Token self, NodeId peer, std::uint16_t type, Bytes payload, OperationId operation);
  std::size_t poll(Token self, std::span<Completion> completions);
  void wait_until(Token self, std::int64_t timeout_us);
  // Of the process's own world: lets time pass until this node, or another one, has news.
  void sleep(Token self, std::int64_t timeout_us);
  void wake(Token self);

 private:
  using Lock = std::lock_guard<std::recursive_mutex>;
  using TokenPair = std::pair<Token, Token>;
  using NodePair = std::pair<NodeId, NodeId>;
  struct Port {
    double bytes_per_s = 0.0;
    std::int64_t in_free_ns = 0;
    std::int64_t out_free_ns = 0;
  };

  Process* find(Token token);
  const Process* find(Token token) const;
  // A living process and its open connection, or why not.
  Result<Connection> usable_connection(Token self, NodeId peer) const;
  std::uint64_t post(Process& process, NodeId peer, const Connection& connection,
                     CompletionKind kind, OperationId operation);
  void complete(Process& process, std::uint64_t serial, const Status& status);
  void push(Process& process, Completion completion);
  // All operations of a connection.
  void fail_pending(Process& process, std::uint64_t connection, const Error& error);

  // Happens at that moment, or, if the two are parted then, when they no longer are.
  void carry(NodePair between, std::int64_t when_ns, std::function<void()> act);
  const LinkModel& link(NodeId from, NodeId to) const;
  std::int64_t flight_ns(NodeId from, NodeId to);
  std::int64_t take_link_ns(NodeId from, NodeId to, std::size_t bytes);

  void deliver(Token from, Token to, std::uint64_t serial, Completion message);
  void queue_bulk(Token from, Token to, BulkItem item);
  void start_next(TokenPair pair);
  void chunk_left(TokenPair pair, std::uint64_t serial, std::size_t chunk_bytes);
  void land(TokenPair pair, std::uint32_t region, std::size_t offset_bytes,
            const std::vector<std::byte>& bytes);
  void start_flush(TokenPair pair, std::uint64_t serial);
  // Whether something that has left a process still arrives: not all of a dead one's does.
  bool still_arrives(const Process& from, const Process& to);

  void die(Process& process, bool is_killed);
  void plan_loss(Token self, NodeId peer, const Connection& connection);
  void lose(Token self, NodeId peer, std::uint64_t serial);

  bool is_someone_ready();
  std::optional<std::int64_t> next_ns() const;
  void run_due();

  static constexpr std::size_t kChunkBytes = std::size_t{64} << 10;  // of a write, on its way
  static constexpr std::int64_t kNsPerUs = 1000;
  static constexpr std::int64_t kStartNs = 1'000'000'000;  // zero often means "never"

  mutable std::recursive_mutex mutex_;
  WorldOptions options_;
  SeededRandom random_;
  std::int64_t now_ns_ = kStartNs;
  Schedule schedule_;
  bool has_acted_ = false;      // an act of at() has run
  std::uint64_t arrivals_ = 0;  // completions pushed, ever
  std::map<Token, Process> processes_;
  std::map<TokenPair, BulkLane> lanes_;
  std::map<NodePair, LinkModel> links_;
  std::map<NodeId, Port> ports_;
  std::map<NodePair, std::vector<std::function<void()>>> parted_;  // what waits, by low and high id
  std::map<NodePair, std::uint64_t> landed_bytes_;
  std::uint64_t corrupted_writes_ = 0;
  std::function<void(const Posted&)> observer_;
  Token next_token_ = 1;
  std::uint64_t next_serial_ = 1;
};

}  // namespace sluice::comm::sim
