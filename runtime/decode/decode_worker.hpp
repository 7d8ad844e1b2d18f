// SPDX-License-Identifier: Apache-2.0
// A decode worker: grants memory, checks what lands in it, and turns it into tokens.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>

#include "runtime/decode/decode_loop.hpp"
#include "runtime/frames/codec_pool.hpp"
#include "runtime/frames/pipeline_set.hpp"
#include "runtime/transfer/arena.hpp"
#include "runtime/transfer/receive_session.hpp"
#include "runtime/transfer/worker_node.hpp"

namespace sluice::runtime {

class DecodeWorker : public WorkerNode {
 public:
  // Borrows all but the pool; they must outlive it.
  DecodeWorker(Cluster& cluster, const ClusterConfig& config, const ModelFile& model,
               const PipelineSet& pipelines, std::unique_ptr<KvPool> pool,
               std::span<const TokenId> end_tokens);

  // Serves until the router says stop or is gone (kUnavailable), or the model cannot be loaded.
  Status run();

 private:
  struct Want {
    comm::NodeId source = 0;
    WantMessage message;
  };
  // A frame that was decoded, or could not be.
  struct FrameDone {
    RequestId request = 0;
    std::uint64_t epoch = 0;
    MadeFrame frame;
    Result<kernels::FrameInfo> info;
    std::int64_t took_us = 0;
  };
  // A sequence in the decode loop.
  struct Running {
    RequestTimeline timeline;
  };

  void on_message(comm::NodeId peer, MessageType type, Bytes payload) override;
  void on_operation(comm::OperationId, const Status&) override {}  // it posts none
  void on_peer_lost(comm::NodeId peer, const Status& status) override;
  void on_turn() override;

  void take_want(comm::NodeId peer, Bytes payload);
  void take_pieces(comm::NodeId peer, Bytes payload);
  void take_manifest(comm::NodeId peer, Bytes payload);
  void take_failed(comm::NodeId peer, Bytes payload);
  void take_cancel(Bytes payload);
  void take(DecodeEvent& event);
  void take(FrameDone done);
  FrameDone unpack(const ReceiveSession& session, const MadeFrame& frame,
                   kernels::Scratch& scratch) const;
  bool is_known(RequestId request) const;
  void grant_waiting();
  bool grant(const Want& want);
  ReceiveSession* session_of(RequestId request, std::uint64_t epoch);
  ReceiveSession* session_of(comm::NodeId source, RequestId request, std::uint64_t epoch);
  void fail(ReceiveSession& session, const Error& error);
  void complete_if_ready(ReceiveSession& session);
  void start(ReceiveSession& session);
  void close(RequestId request);

  const kernels::FrameDecoder& decoder_;
  const KvShape shape_;
  const std::int64_t vocab_;
  std::unique_ptr<KvPool> pool_;
  std::span<const TokenId> end_tokens_;
  Arena arena_;
  std::uint64_t next_epoch_ = 1;
  Mailbox<DecodeEvent> events_;
  std::deque<Want> waiting_;  // in order of arrival, so that a large request is not starved
  std::map<RequestId, ReceiveSession> sessions_;
  std::map<RequestId, Running> running_;
  kernels::Scratch scratch_;  // of this thread
  Mailbox<FrameDone> frames_done_;
  CodecPool codec_pool_;              // after what its tasks use
  std::unique_ptr<DecodeLoop> loop_;  // last: its thread uses the mailbox and the pool
};

}  // namespace sluice::runtime
