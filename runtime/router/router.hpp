// SPDX-License-Identifier: Apache-2.0
// The router: places requests on workers and hands their tokens back. The only rank that users see.
//
// A request is placed anew, under a new id and on other workers where there are any, when what it
// was placed on fails, falls silent or ends, as long as no token of it has reached its user. What
// an id of before still brings is nobody's any more, so that nothing is answered twice.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "runtime/request/check_request.hpp"
#include "runtime/request/generate.hpp"
#include "runtime/router/roster.hpp"
#include "runtime/router/token_stream.hpp"
#include "runtime/transfer/link_board.hpp"
#include "runtime/transfer/mailbox.hpp"
#include "runtime/transfer/worker_node.hpp"
#include "scheduler/policy.hpp"

namespace sluice::runtime {

// A worker's last report, for the operator.
struct WorkerReport {
  comm::NodeId node = 0;
  Role role = Role::kPrefill;
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t memory_file_bytes = 0;
};

// All are called on the router's thread.
struct RouterOptions {
  RequestLimits limits;
  // A worker has loaded this share (0..1) of its model; until on_ready.
  std::function<void(comm::NodeId, double)> on_loading;
  std::function<void()> on_ready;  // every worker is ready: requests are served
  // A sentence for the operator when a worker ends, falls silent, answers again, or has joined.
  std::function<void(const std::string&)> on_worker_change;
  // The same when a link's free rate has become another one.
  std::function<void(const std::string&)> on_link_change;
  TopologyConfig topology;  // the links that workers share
};

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

  const std::vector<WorkerReport>& reports() const { return reports_; }  // after run()

 private:
  // A user's request, by the id of its first attempt.
  struct Request {
    std::shared_ptr<TokenStream> stream;
    GenerateRequest asked;  // its prompt only until a token has reached the user
    scheduler::Decision decision;
    RequestId attempt = 0;  // what the workers call it; 0: on none now
    std::int64_t attempts = 0;
    std::set<comm::NodeId> avoid;    // who could not be reached for it, or was late
    std::set<comm::NodeId> suspect;  // where its bytes were wrong: others first, if there are any
    std::int64_t waiting_since_us = 0;
    std::int64_t held_until_us = 0;  // not placed before, if there is anybody to place it on
    std::int64_t prompt_tokens = 0;
    std::int64_t tokens_left = 0;
    bool prefilled = false;
    std::int64_t next_index = 0;
    std::map<std::int64_t, TokenMessage> early;  // tokens that overtook another
  };
  using Requests = std::map<RequestId, Request>;
  struct Submission {
    RequestId id = 0;
    GenerateRequest request;
    std::shared_ptr<TokenStream> stream;
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
  void take(Command& command);
  void refuse_late();
  void begin_shutdown();
  bool shutdown_is_over() const;
  void tell(const std::string& sentence);
  Status check_join(comm::NodeId node) const;

  // router_requests.cpp
  void take(Submission submission);
  void take_token(comm::NodeId peer, Bytes payload);
  void take_failed(comm::NodeId peer, Bytes payload);
  void place(RequestId id);
  void wait_for_workers(RequestId id);
  void place_waiting();
  void retry(RequestId id, const Error& error, const std::set<comm::NodeId>& blamed);
  void cancel(RequestId id);
  void fail(RequestId id, const Error& error);
  void forget(Requests::iterator request);
  void withdraw(Request& request);
  Requests::iterator find_attempt(RequestId attempt);
  std::vector<RequestId> waiting_for(comm::NodeId node) const;
  void leave(comm::NodeId node, const std::string& what);
  void give_up_on_silent();
  std::map<comm::NodeId, WorkerLoad> loads() const;

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
  std::vector<WorkerReport> reports_;
  std::optional<std::int64_t> shutdown_since_us_;
  Status end_;
};

}  // namespace sluice::runtime
