// SPDX-License-Identifier: Apache-2.0
// The router: places requests on workers and hands their tokens back. The only rank that users see.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/request/check_request.hpp"
#include "runtime/request/generate.hpp"
#include "runtime/router/token_stream.hpp"
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

struct RouterOptions {
  RequestLimits limits;
  // Called on the router's thread: a worker has loaded this share (0..1) of its model.
  std::function<void(comm::NodeId, double)> on_loading;
  std::function<void()> on_ready;  // every worker is ready: requests are served
};

class Router : public WorkerNode, public Generator {
 public:
  Router(Cluster& cluster, std::unique_ptr<scheduler::Policy> policy, RouterOptions options);

  // Serves until stop(), or until a worker cannot load its model. Then tells all workers to stop
  // and waits for their last reports, a few seconds at most.
  Status run();

  // Any thread, also from a signal's thread. Requests under way end with kCancelled.
  void stop();

  Result<std::unique_ptr<GenerateStream>> submit(GenerateRequest request) override;

  const std::vector<WorkerReport>& reports() const { return reports_; }  // after run()

 private:
  struct Request {
    std::shared_ptr<TokenStream> stream;
    scheduler::Decision decision;
    std::int64_t prompt_tokens = 0;
    std::int64_t tokens_left = 0;
    bool prefilled = false;
    std::int64_t next_index = 0;
    std::map<std::int64_t, TokenMessage> early;  // tokens that overtook another
  };
  struct Worker {
    Role role = Role::kPrefill;
    bool alive = true;
    bool ready = false;
    bool said_goodbye = false;
  };
  struct Submission {
    RequestId id = 0;
    GenerateRequest request;
    std::shared_ptr<TokenStream> stream;
  };
  using Command = std::variant<Submission, RequestId>;  // a new request, or one to cancel

  void on_message(comm::NodeId peer, MessageType type, Bytes payload) override;
  void on_operation(comm::OperationId, const Status&) override {}  // it posts none
  void on_peer_lost(comm::NodeId peer, const Status& status) override;
  void on_turn() override;

  void take_loading(comm::NodeId peer, Bytes payload);
  void take_token(Bytes payload);
  void take_failed(Bytes payload);
  void take_goodbye(comm::NodeId peer, Bytes payload);
  void place(Submission submission);
  void cancel(RequestId id);
  void fail(RequestId id, const Error& error);
  void refuse_late();
  void withdraw(const Request& request, RequestId id);
  void begin_shutdown();
  bool shutdown_is_over() const;
  scheduler::Snapshot snapshot() const;

  std::unique_ptr<scheduler::Policy> policy_;
  RouterOptions options_;
  Mailbox<Command> commands_;
  std::atomic<RequestId> next_id_ = 1;
  std::atomic<std::int64_t> open_requests_ = 0;
  std::atomic<bool> stop_asked_ = false;
  std::atomic<bool> ended_ = false;  // nobody drains commands_ any more
  bool announced_ = false;           // on_ready was called
  std::map<comm::NodeId, Worker> workers_;
  std::map<RequestId, Request> requests_;
  std::vector<WorkerReport> reports_;
  std::optional<std::int64_t> shutdown_since_us_;
  Status end_;
};

}  // namespace sluice::runtime
