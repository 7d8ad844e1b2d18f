// SPDX-License-Identifier: Apache-2.0
// The router: places requests on workers and hands their tokens back. The only rank that users see.
//
// A request waits in a queue by deadlines; a policy says where it goes and at which level, or that
// it waits, or that it is refused. It is placed anew, under a new id and on other workers where
// there are any, when what it was placed on fails, falls silent or ends, as long as no token of it
// has reached its user. What an id of before still brings is nobody's any more, so that nothing is
// answered twice.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/request/generate.hpp"
#include "runtime/router/roster.hpp"
#include "runtime/router/router_options.hpp"
#include "runtime/router/router_request.hpp"
#include "runtime/router/token_stream.hpp"
#include "runtime/transfer/link_board.hpp"
#include "runtime/transfer/mailbox.hpp"
#include "runtime/transfer/worker_node.hpp"
#include "scheduler/admission.hpp"
#include "scheduler/policy.hpp"
#include "scheduler/prefix_index.hpp"
#include "scheduler/role_balance.hpp"

namespace sluice::runtime {

class Router : public WorkerNode, public Generator {
 public:
  Router(Cluster& cluster, std::unique_ptr<scheduler::Policy> policy, RouterOptions options);

  // Serves until stop(), or until a worker cannot load its model. Then tells all workers to stop
  // and waits for their last reports, a few seconds at most.
  Status run();

  // The same in steps, for whoever runs several nodes in one thread: begin(), then turn() while it
  // is true, then finish().
  void begin();
  Status finish();

  // Any thread, also from a signal's thread. Requests under way end with kCancelled.
  void stop();

  Result<std::unique_ptr<GenerateStream>> submit(GenerateRequest request) override;

  // A process that wants to be the rank `node` in place of one that ended or does not answer: it is
  // given its incarnation, and all workers hear of it. kInvalidArgument, in words: it does not fit;
  // kUnavailable: the rank's process lives, or this cluster is stopping.
  Result<JoinAnswer> take_join(comm::NodeId node, Hello hello);  // the router's thread
  Result<JoinAnswer> join(comm::NodeId node, Hello hello);       // any other, while it serves

  // The worker gets no new work. When it has none left it is told to end, and, when `as` is not its
  // role, to join again under its rank as that. kUnavailable: it is the last one of its role, or
  // not at work. The router's thread.
  Status drain(comm::NodeId node, Role as);

  const std::vector<WorkerReport>& reports() const { return reports_; }  // after run()

 private:
  // By the id of its first attempt.
  using Request = RouterRequest;
  using Requests = std::map<RequestId, Request>;
  struct Submission {
    RequestId id = 0;
    GenerateRequest request;
    std::shared_ptr<TokenStream> stream;
    std::int32_t slo_class = 0;
    std::int64_t submitted_us = 0;
  };
  struct Admission {
    comm::NodeId node = 0;
    Hello hello;
    std::promise<Result<JoinAnswer>> answer;
  };
  // A new request, one to cancel, or somebody who wants to join.
  using Command = std::variant<Submission, RequestId, Admission>;

  void on_message(comm::NodeId peer, MessageType type, Bytes payload) override;
  void on_operation(const comm::Completion&) override {}  // it posts none
  void on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) override;
  void on_peer_silent(comm::NodeId peer) override;
  void on_peer_back(comm::NodeId peer) override;
  void on_joined(comm::NodeId peer) override;
  void on_turn() override;

  // router.cpp: workers, start and end.
  void take_loading(comm::NodeId peer, Bytes payload);
  void take_goodbye(comm::NodeId peer, Bytes payload);
  void take_links(comm::NodeId peer, Bytes payload);
  void take_status(comm::NodeId peer, Bytes payload);
  void take_prefixes(comm::NodeId peer, Bytes payload);
  void forget_figures(comm::NodeId node);
  void take(Command& command);
  void refuse_late();
  void begin_shutdown();
  bool shutdown_is_over() const;
  void tell(const std::string& sentence);
  Status check_join(comm::NodeId node, Role role) const;

  // router_queue.cpp
  static std::vector<scheduler::SloClass> classes_of(const SchedulerConfig& config);
  Result<std::int32_t> find_class(const std::string& name) const;
  void take(Submission submission);
  scheduler::AdmissionOutlook outlook_for(std::int64_t prompt_tokens) const;
  bool has_idle_prefill() const;
  void wait(RequestId id);
  std::optional<Role> missing_role() const;
  void place_waiting();
  void wait_for_workers(Role missing);
  void place_queued();
  void refuse_hopeless();
  void refuse(RequestId id, const char* reason, double retry_after_s);
  void reject(RequestId id, const scheduler::Decision& decision);

  // router_roles.cpp
  void balance_roles();
  void tell_drained();
  bool is_placed_on(comm::NodeId node) const;
  Status check_role(comm::NodeId node, Role role) const;

  // router_placement.cpp
  std::map<comm::NodeId, WorkerLoad> loads() const;
  std::int64_t prefill_tokens_left(const Request& request) const;
  void reckon_prefill(Request& request, const scheduler::WorkerState& worker) const;
  scheduler::RequestShape shape_of(const Request& request) const;
  std::int32_t level_named(const std::string& pipeline) const;
  double correction() const;
  scheduler::Snapshot snapshot(const std::set<comm::NodeId>& avoid) const;
  scheduler::Snapshot snapshot_for(const Request& request) const;
  std::span<const PrefixHash> blocks_of(Request& request, std::uint64_t salt) const;
  void fill_cached(scheduler::Snapshot& snapshot, Request& request,
                   std::optional<std::int32_t> level) const;
  std::vector<std::uint64_t> decode_salts(const Request& request,
                                          std::optional<std::int32_t> level) const;
  std::int32_t cached_level(Request& request, comm::NodeId node) const;
  Result<scheduler::Decision> decide(Request& request, scheduler::Snapshot& snapshot,
                                     const scheduler::RequestShape& shape,
                                     std::vector<scheduler::Alternative>* alternatives);
  void place(RequestId id);
  void begin_attempt(RequestId id, scheduler::Snapshot& snapshot,
                     const scheduler::Decision& decision);
  std::string pipeline_of(const Request& request, const scheduler::Decision& decision) const;
  SubmitMessage submit_message(const Request& request) const;
  void report_decision(RequestId id, const scheduler::Snapshot& snapshot,
                       const scheduler::RequestShape& shape, const scheduler::Decision& decision,
                       std::span<const scheduler::Alternative> alternatives);

  // router_requests.cpp
  void take_token(comm::NodeId peer, Bytes payload);
  void take_failed(comm::NodeId peer, Bytes payload);
  void retry(RequestId id, const Error& error, const std::set<comm::NodeId>& blamed);
  void cancel(RequestId id);
  void fail(RequestId id, const Error& error, double retry_after_s = 0.0);
  void report_outcome(RequestId id, const RequestTimeline& timeline);
  void forget(Requests::iterator request);
  void withdraw(Request& request);
  void end_attempt(Request& request);
  Requests::iterator find_attempt(RequestId attempt);
  std::vector<RequestId> waiting_for(comm::NodeId node) const;
  void leave(comm::NodeId node, const std::string& what);
  void give_up_on_silent();

  static double seconds(std::int64_t us) { return static_cast<double>(us) * 1e-6; }

  std::unique_ptr<scheduler::Policy> policy_;
  RouterOptions options_;
  Mailbox<Command> commands_;
  std::atomic<RequestId> next_id_ = 1;
  std::atomic<std::int64_t> open_requests_ = 0;
  std::atomic<bool> stop_asked_ = false;
  std::atomic<bool> ended_ = false;  // nobody drains commands_ any more
  bool announced_ = false;           // on_ready was called
  Roster roster_;
  LinkBoard links_;
  Requests requests_;
  std::map<RequestId, RequestId> attempts_;  // of those under way: the request
  std::set<RequestId> waiting_;              // requests on no worker
  scheduler::AdmissionQueue queue_;          // of them those that were on none yet
  scheduler::PrefixIndex prefixes_;
  scheduler::RoleBalance role_balance_;
  std::int64_t balanced_us_ = 0;
  bool has_changed_ = false;           // since those that wait were last asked for
  std::int64_t asked_us_ = 0;          // when that was
  std::int64_t missing_since_us_ = 0;  // since when a role has had nobody who can be given work
  std::vector<WorkerReport> reports_;
  std::optional<std::int64_t> shutdown_since_us_;
  Status end_;
};

}  // namespace sluice::runtime
