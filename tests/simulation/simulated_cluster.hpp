// SPDX-License-Identifier: Apache-2.0
// A whole cluster in one thread: the real router and workers, over simulated links, with
// computations that take virtual time. Rank 0 is the router, then come the prefill workers, then
// the decode workers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "comm/sim/sim.hpp"
#include "runtime/decode/decode_worker.hpp"
#include "runtime/prefill/prefill_worker.hpp"
#include "runtime/router/router.hpp"
#include "tests/simulation/synthetic_compute.hpp"

namespace sluice::tests {

struct SimulatedClusterOptions {
  comm::NodeId prefill = 1;
  comm::NodeId decode = 1;
  comm::sim::WorldOptions world = {};
  ComputeOptions compute = {};
  std::int64_t chunk_tokens = 64;
  std::size_t staging_bytes = std::size_t{1} << 20;
  std::size_t arena_bytes = std::size_t{1} << 20;
  std::size_t slot_bytes_max = std::size_t{256} << 10;
  std::int64_t decode_blocks = 64;  // of its cache
  std::string policy = "least_loaded";
  runtime::SchedulerConfig scheduler = {};
  std::shared_ptr<const scheduler::LevelTable> levels = {};
};

// What a user asked for and got.
struct UserRequest {
  runtime::GenerateRequest asked;
  std::unique_ptr<runtime::GenerateStream> stream;
  std::vector<runtime::TokenId> tokens;
  runtime::FinishReason finish = runtime::FinishReason::kNone;
  std::optional<Error> error;
  runtime::RequestTimeline timeline = {};  // once it has ended
  bool was_cancelled = false;              // by its user
  std::int64_t submitted_us = 0;
  std::int64_t ended_us = 0;

  bool has_ended() const { return error || finish != runtime::FinishReason::kNone; }
};

class SimulatedCluster {
 public:
  explicit SimulatedCluster(const SimulatedClusterOptions& options);
  ~SimulatedCluster();

  comm::sim::World& world() { return *world_; }
  std::int64_t now_us() const { return world_->now_us(); }
  Ledger& ledger() { return *ledger_; }
  comm::NodeId nodes() const { return static_cast<comm::NodeId>(nodes_.size()); }
  bool is_prefill(comm::NodeId node) const { return node >= 1 && node <= options_.prefill; }
  bool is_decode(comm::NodeId node) const { return node > options_.prefill; }

  // Turns every node that can, gives the users what came, lets time pass; false when nothing more
  // happens.
  bool step();
  // Until `is_done`, or that much virtual time has passed: whether it was done.
  bool run_for(std::int64_t limit_us, const std::function<bool()>& is_done);
  bool run_until_ready() {
    return run_for(5'000'000, [this] { return is_ready_; });
  }
  void at(std::int64_t after_us, std::function<void()> act) {
    world_->at(now_us() + after_us, std::move(act));
  }

  std::size_t submit(runtime::GenerateRequest request);
  void cancel(std::size_t request);
  const std::vector<UserRequest>& requests() const { return requests_; }
  bool all_ended() const;
  // Where requests went, in the order of their placement.
  const std::vector<scheduler::Decision>& decisions() const { return decisions_; }

  void kill(comm::NodeId node);
  void set_frozen(comm::NodeId node, bool is_frozen);
  void set_partition(comm::NodeId a, comm::NodeId b, bool is_parted);
  // A new process for the rank of a dead one. kUnavailable: the router does not know yet that it is
  // dead.
  Status restart(comm::NodeId node);

  bool is_alive(comm::NodeId node) const { return nodes_[node].worker != nullptr; }
  bool is_frozen(comm::NodeId node) const { return frozen_.contains(node); }
  bool is_ready(comm::NodeId node) const;
  bool is_parted(comm::NodeId a, comm::NodeId b) const {
    return parted_.contains(std::minmax(a, b));
  }
  // Null when it is dead, or is none.
  const runtime::PrefillWorker* prefill(comm::NodeId node) const;
  const runtime::DecodeWorker* decode(comm::NodeId node) const;

  // Ends it in good order; whether all nodes that live have ended.
  bool shut_down();

 private:
  struct Node {
    std::unique_ptr<runtime::Cluster> cluster;
    std::unique_ptr<runtime::WorkerNode> worker;
    std::function<void()> compute;  // does what is due
    std::int64_t ready_us = 0;
    bool has_ended = false;
  };

  void open_node(comm::NodeId node);
  void make_worker(comm::NodeId node);
  runtime::Hello hello_of(comm::NodeId node) const;
  static void connect(runtime::Cluster& cluster);
  static void drain(comm::Transport& transport);
  void pull(UserRequest& request);
  runtime::Router& router() { return static_cast<runtime::Router&>(*nodes_[0].worker); }

  SimulatedClusterOptions options_;
  std::shared_ptr<comm::sim::World> world_;
  std::shared_ptr<Ledger> ledger_;
  std::vector<UserRequest> requests_;
  std::vector<scheduler::Decision> decisions_;
  std::vector<Node> nodes_;
  std::set<comm::NodeId> frozen_;
  std::set<std::pair<comm::NodeId, comm::NodeId>> parted_;
  bool is_ready_ = false;
};

}  // namespace sluice::tests
