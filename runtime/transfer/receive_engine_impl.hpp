// SPDX-License-Identifier: Apache-2.0
// The receiving engine's state: messages and grants are receive_engine.cpp's, how requests end
// receive_endings.cpp's. Private to these two.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "runtime/transfer/arena.hpp"
#include "runtime/transfer/ended_requests.hpp"
#include "runtime/transfer/grant_queue.hpp"
#include "runtime/transfer/incoming_request.hpp"
#include "runtime/transfer/receive_engine.hpp"

namespace sluice::runtime {

class ReceiveEngine::Impl {
 public:
  Impl(comm::Transport& transport, const comm::Region& arena, FrameSink& sink,
       ReceiveOptions options)
      : transport_(transport),
        memory_(arena),
        sink_(sink),
        options_(options),
        arena_(arena.bytes),
        next_epoch_(options.first_epoch) {}

  bool take(comm::NodeId peer, MessageType type, Bytes payload);
  void frame_done(const LandedFrame& frame, const Status& status);
  void cancel(RequestId request);
  void peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate);
  void peer_back(comm::NodeId peer);
  void turn();
  bool knows(RequestId request) const;
  bool has_handoffs_from(comm::NodeId peer) const;
  Memory memory() const;
  std::int64_t waiting_tokens() const;

 private:
  // Requests end when the outermost call does, never while one is being looked at: the sink calls
  // back from within take().
  class Call {
   public:
    explicit Call(Impl& impl) : impl_(impl) { ++impl_.depth_; }
    ~Call() {
      if (impl_.depth_ == 1) impl_.settle();
      --impl_.depth_;
    }

   private:
    Impl& impl_;
  };

  void take_want(comm::NodeId peer, const WantMessage& want);
  void take_pieces(comm::NodeId peer, const PiecesMessage& message);
  void take_manifest(comm::NodeId peer, const ManifestMessage& message);
  void take_failed(comm::NodeId peer, const FailedMessage& message);

  GrantQueue::Answer grant(const GrantQueue::Entry& entry);
  bool is_starved(const IncomingRequest& request) const;
  bool open(RequestId id, IncomingRequest& request);
  std::size_t slot_bytes_for(const WantMessage& want) const;
  IncomingHandoff* find(RequestId request, comm::NodeId peer);
  // The handoff that a writer's message about its slot is of; null: of an earlier epoch, or of a
  // request that has ended, which the writer is then told.
  IncomingHandoff* find_granted(RequestId request, comm::NodeId peer, std::uint64_t epoch);
  void fail(RequestId id, IncomingRequest& request, const Error& error, bool tell);
  void settle();
  void finish(RequestId id, IncomingRequest& request);
  void wind_up(RequestId id, IncomingRequest& request);
  void release_slot(IncomingHandoff& handoff);
  void count_out(IncomingHandoff& handoff);
  void send_taken(RequestId id, IncomingHandoff& handoff, bool is_all);

  template <class Message>
  Status send(comm::NodeId peer, MessageType type, const Message& message) {
    return transport_.send(peer, static_cast<std::uint16_t>(type), message.encode());
  }
  // A peer that cannot be told is lost, and peer_lost() will say so.
  void send_failed(comm::NodeId peer, RequestId request, const Error& error) {
    (void)send(peer, MessageType::kFailed, FailedMessage{request, error.code, error.message});
  }

  comm::Transport& transport_;
  const comm::Region memory_;
  FrameSink& sink_;
  const ReceiveOptions options_;
  Arena arena_;
  std::uint64_t next_epoch_;
  GrantQueue queue_;
  std::optional<std::int64_t> quarantine_since_us_;  // as long as there is something in it
  std::map<RequestId, IncomingRequest> requests_;
  EndedRequests ended_;
  std::map<comm::NodeId, std::size_t> open_;  // handoffs by writer, none of them zero
  std::size_t quarantined_bytes_ = 0;
  std::set<RequestId> changed_;                           // for settle()
  std::set<std::pair<RequestId, comm::NodeId>> to_tell_;  // Taken is due
  int depth_ = 0;
};

}  // namespace sluice::runtime
