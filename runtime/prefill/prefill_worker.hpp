// SPDX-License-Identifier: Apache-2.0
// A prefill worker: takes prompts from the router and pushes their KV, as frames, to decode
// workers.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "runtime/frames/pipeline_set.hpp"
#include "runtime/prefill/prefill_loop.hpp"
#include "runtime/transfer/arena.hpp"
#include "runtime/transfer/send_session.hpp"
#include "runtime/transfer/worker_node.hpp"

namespace sluice::runtime {

class PrefillWorker : public WorkerNode {
 public:
  // Borrows all; they must outlive it.
  PrefillWorker(Cluster& cluster, const ClusterConfig& config, const ModelFile& model,
                PipelineSet& pipelines);

  // Serves until the router says stop or is gone (kUnavailable), or the model cannot be loaded.
  Status run();

 private:
  struct Request {
    PrefillJob job;
    std::size_t staging_offset = 0;
    std::unique_ptr<SendSession> session;  // null while it waits for staging memory
    bool computing = false;                // the loop still writes the staging memory
  };

  void on_message(comm::NodeId peer, MessageType type, Bytes payload) override;
  void on_operation(comm::OperationId operation, const Status& status) override;
  void on_peer_lost(comm::NodeId peer, const Status& status) override;
  void on_turn() override;

  void take_submit(Bytes payload);
  Result<PrefillJob> plan(SubmitMessage submit);
  void take_grant(comm::NodeId peer, const GrantMessage& grant);
  void take_failed(comm::NodeId peer, Bytes payload);
  void take_cancel(Bytes payload);
  void take(PrefillEvent& event);
  void take_loaded(const PrefillEvent::Loaded& loaded);
  void start_waiting();
  void fail(RequestId id, const Error& error, bool tell_router);
  void advance();

  PipelineSet& pipelines_;
  const std::int64_t chunk_tokens_;
  Arena staging_;
  Mailbox<PrefillEvent> events_;
  std::map<RequestId, Request> requests_;
  std::deque<RequestId> waiting_;          // for staging memory, in order of arrival
  std::deque<RequestId> cancelled_early_;  // cancels that overtook their requests, the latest
  comm::OperationId next_operation_ = 1;
  std::unique_ptr<PrefillLoop> loop_;  // last: its thread uses the mailbox
};

}  // namespace sluice::runtime
