// SPDX-License-Identifier: Apache-2.0
// A seed's cluster, requests and faults, run to the end and judged.
//
// What must hold: every request ends once, with the tokens that its prompt means or with one error;
// an error only where the faults explain it; and when all is quiet again no slot, page or staging
// byte is held that a living process could use.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "comm/sim/random.hpp"
#include "tests/simulation/simulated_cluster.hpp"

namespace sluice::tests {

class Scenario {
 public:
  // `trace`: null, or gets a line for everything that is posted and that goes wrong.
  explicit Scenario(std::uint64_t seed, std::ostream* trace = nullptr);

  // What does not hold, in sentences; empty when all is well.
  std::vector<std::string> run();

  std::string describe() const;
  // How requests ended ("answered", "cancelled", "corrupt" ...), and how many.
  const std::map<std::string, std::size_t>& ends() const { return ends_; }
  std::size_t faults() const { return faults_.size(); }

 private:
  enum class Action : std::uint8_t { kKill, kFreeze, kPart, kCancel };
  // A fault comes at a moment of its own, or when a message or write is posted for the nth time.
  struct Plan {
    Action action = Action::kKill;
    std::int64_t at_us = -1;  // -1: by `kind`, `type` and `nth`
    comm::sim::Posted::Kind kind = comm::sim::Posted::Kind::kMessage;
    runtime::MessageType type = runtime::MessageType::kWant;
    int nth = 1;
    bool is_of_sender = true;     // the victim, of the two that the posted thing is between
    std::int64_t last_us = 0;     // how long; 0: for ever
    std::int64_t restart_us = 0;  // after a kill; 0: never
    comm::NodeId victim = 0;
    comm::NodeId other = 0;              // kPart
    std::optional<std::size_t> request;  // kCancel: by its user
    bool is_done = false;
  };
  // One that has happened.
  struct Fault {
    Action action = Action::kKill;
    std::int64_t at_us = 0;
    std::int64_t until_us = 0;
  };

  static SimulatedClusterOptions draw_options(comm::sim::SeededRandom& random, std::uint64_t seed);
  void draw_requests();
  void draw_faults();
  runtime::GenerateRequest draw_request();
  Plan draw_fault();
  comm::NodeId draw_worker();

  void observe(const comm::sim::Posted& posted);
  void strike(Plan& plan);
  void kill(const Plan& plan);
  Plan draw_cancel();
  void watch_message(const comm::sim::Posted& posted);
  void try_restart(comm::NodeId node, int tries);
  void watch_state();
  bool has_healthy_pair() const;
  bool is_healthy(comm::NodeId node) const;

  void judge_requests();
  void judge_request(std::size_t index, const UserRequest& request);
  bool explains(const UserRequest& request) const;
  void judge_memory();
  void judge_reclaim(std::int64_t killed_us);
  void find(std::string what) { findings_.push_back(std::move(what)); }
  void note(const std::string& what);
  void note_state();

  std::uint64_t seed_;
  std::ostream* trace_;
  comm::sim::SeededRandom random_;
  SimulatedClusterOptions options_;
  SimulatedCluster cluster_;
  std::vector<Plan> plans_;
  std::map<runtime::RequestId, std::size_t> requests_of_;  // by attempt
  std::vector<Fault> faults_;
  std::int64_t requests_left_ = 0;             // not submitted yet
  std::set<comm::NodeId> stopped_;             // frozen for ever
  std::set<comm::NodeId> unproven_;            // may hold memory of a writer that was replaced
  std::vector<std::int64_t> unhealthy_until_;  // by node, once its fault is over
  std::int64_t last_without_pair_us_ = 0;      // no prefill and decode worker could serve
  std::vector<std::int64_t> last_clean_us_;    // by node: nothing was in quarantine
  std::set<std::pair<runtime::RequestId, std::int64_t>> tokens_seen_;
  std::vector<std::string> findings_;
  std::map<std::string, std::size_t> ends_;
};

}  // namespace sluice::tests
