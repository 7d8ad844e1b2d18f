// SPDX-License-Identifier: Apache-2.0
// The prefill worker's half of one handoff: pieces leave as they come, once the peer granted room.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "comm/transport.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// Owned and called by the worker's communication thread.
class SendSession {
 public:
  // `staging`: registered memory for the frames, as long as the slot asked for; a frame lies at the
  // same place in both. Borrowed until is_quiescent() after is_over().
  SendSession(RequestId request, comm::NodeId target, Bytes staging);

  // The peer's answer to Want. A smaller grant is kCorrupt.
  Status grant(const GrantMessage& grant, const comm::RemoteRegion& arena);

  // The frame's bytes are in the staging memory.
  void add_piece(const Piece& piece);

  // No more pieces; `manifest` goes out when all are flushed. Epoch, checksums and the wire part
  // of the timeline are filled in here. The exposed wire time starts with `prefill_end_us` in it,
  // and the exposed encoding after that.
  void finish(ManifestMessage manifest);

  // Stops posting; the peer gets `failure` once nothing of ours can still land.
  void abort(FailedMessage failure);

  // Posts all that can go now. An Error means the peer is unreachable: abort() and forget.
  Status advance(comm::Transport& transport, comm::OperationId& next_operation);

  // True when `operation` was of this session. A failed operation aborts it.
  bool complete(comm::OperationId operation, const Status& status);

  bool is_over() const { return over_; }                  // manifest or failure sent
  bool is_quiescent() const { return pending_.empty(); }  // no write or flush in flight
  comm::NodeId target() const { return target_; }
  RequestId request() const { return request_; }
  const std::optional<FailedMessage>& failure() const { return failure_; }

 private:
  Status post_writes(comm::Transport& transport, comm::OperationId& next_operation);
  Status post_flush(comm::Transport& transport, comm::OperationId& next_operation);
  Status announce(comm::Transport& transport);
  Status send_manifest(comm::Transport& transport);

  RequestId request_;
  comm::NodeId target_;
  Bytes staging_;
  std::optional<GrantMessage> grant_;
  comm::RemoteRegion arena_;

  std::vector<Piece> pieces_;  // in the order they came
  std::size_t posted_ = 0;     // of pieces_: written
  std::size_t flushing_ = 0;   // covered by the flush in flight
  std::size_t flushed_ = 0;
  std::size_t announced_ = 0;
  std::vector<comm::OperationId> pending_;
  comm::OperationId flush_operation_ = 0;  // 0: none in flight

  std::optional<ManifestMessage> manifest_;
  std::optional<FailedMessage> failure_;
  bool last_flush_tried_ = false;  // after an abort: once, since a lost peer fails it
  bool over_ = false;

  std::int64_t busy_since_us_ = 0;  // 0: nothing in flight
  std::int64_t busy_us_ = 0;
  std::int64_t flushed_at_us_ = 0;
  std::uint64_t bytes_written_ = 0;
};

}  // namespace sluice::runtime
