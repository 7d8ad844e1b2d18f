// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/send_session.hpp"

#include <algorithm>

#include "runtime/telemetry/clock.hpp"
#include "runtime/transfer/checksum.hpp"

namespace sluice::runtime {

SendSession::SendSession(RequestId request, comm::NodeId target, Bytes staging)
    : request_(request), target_(target), staging_(staging) {}

Status SendSession::grant(const GrantMessage& grant, const comm::RemoteRegion& arena) {
  if (grant.bytes < staging_.size() || grant.offset_bytes > arena.bytes ||
      arena.bytes - grant.offset_bytes < grant.bytes) {
    return make_error(ErrorCode::kCorrupt, "the decode worker granted a slot of the wrong size");
  }
  grant_ = grant;
  arena_ = arena;
  return {};
}

void SendSession::add_piece(const Piece& piece) { pieces_.push_back(piece); }

void SendSession::finish(ManifestMessage manifest) { manifest_ = std::move(manifest); }

void SendSession::abort(FailedMessage failure) {
  if (!failure_ && !over_) failure_ = std::move(failure);
}

Status SendSession::advance(comm::Transport& transport, comm::OperationId& next_operation) {
  if (over_) return {};
  if (failure_) {
    if (!is_quiescent()) return {};
    // A write that is done here may still be on its way: only a flush says that it has landed.
    if (posted_ != flushed_ && !last_flush_tried_) {
      last_flush_tried_ = true;
      if (post_flush(transport, next_operation)) return {};
    }
    over_ = true;
    return transport.send(target_, static_cast<std::uint16_t>(MessageType::kFailed),
                          failure_->encode());
  }
  if (!grant_) return {};
  SLUICE_TRY(post_writes(transport, next_operation));
  SLUICE_TRY(announce(transport));
  SLUICE_TRY(post_flush(transport, next_operation));
  if (manifest_ && announced_ == pieces_.size()) return send_manifest(transport);
  return {};
}

Status SendSession::post_writes(comm::Transport& transport, comm::OperationId& next_operation) {
  for (; posted_ < pieces_.size(); ++posted_) {
    const Piece& piece = pieces_[posted_];
    if (busy_since_us_ == 0) busy_since_us_ = monotonic_us();
    const comm::OperationId operation = next_operation++;
    pending_.push_back(operation);
    const Status posted =
        transport.write(arena_, grant_->offset_bytes + piece.offset_bytes,
                        staging_.subspan(piece.offset_bytes, piece.bytes), operation);
    if (!posted) {
      pending_.pop_back();
      return posted;
    }
    bytes_written_ += piece.bytes;
  }
  return {};
}

// One flush at a time: it covers every write posted before it, and while it is under way further
// writes gather behind it.
Status SendSession::post_flush(comm::Transport& transport, comm::OperationId& next_operation) {
  if (flush_operation_ != 0 || flushed_ == posted_) return {};
  const comm::OperationId operation = next_operation++;
  pending_.push_back(operation);
  flush_operation_ = operation;
  flushing_ = posted_;
  Status posted = transport.flush(target_, operation);
  if (!posted) {
    pending_.pop_back();
    flush_operation_ = 0;
  }
  return posted;
}

Status SendSession::announce(comm::Transport& transport) {
  if (announced_ == flushed_) return {};
  PiecesMessage message{request_, grant_->epoch, {}};
  message.pieces.assign(pieces_.begin() + static_cast<std::ptrdiff_t>(announced_),
                        pieces_.begin() + static_cast<std::ptrdiff_t>(flushed_));
  announced_ = flushed_;
  return transport.send(target_, static_cast<std::uint16_t>(MessageType::kPieces),
                        message.encode());
}

Status SendSession::send_manifest(comm::Transport& transport) {
  manifest_->epoch = grant_->epoch;
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
    return a.range.layer_first != b.range.layer_first
               ? a.range.layer_first < b.range.layer_first
               : a.first_token < b.first_token;
  });
  manifest_->frames = pieces_.size();
  manifest_->checksum = 0;
  for (const Piece& piece : pieces_) {
    manifest_->checksum = fold_checksum(manifest_->checksum, piece.checksum);
  }
  RequestTimeline& timeline = manifest_->timeline;
  timeline.wire_us = std::max<std::int64_t>(
      0, flushed_at_us_ - manifest_->prefill_end_us - timeline.encode_exposed_us);
  timeline.kv_bytes_wire = bytes_written_;
  timeline.link_bytes_per_s =
      busy_us_ > 0 ? static_cast<double>(bytes_written_) * 1e6 / static_cast<double>(busy_us_) : 0;
  over_ = true;
  return transport.send(target_, static_cast<std::uint16_t>(MessageType::kManifest),
                        manifest_->encode());
}

bool SendSession::complete(comm::OperationId operation, const Status& status) {
  const auto found = std::find(pending_.begin(), pending_.end(), operation);
  if (found == pending_.end()) return false;
  pending_.erase(found);
  if (!status) {
    abort(
        {request_, status.error().code, "the KV could not be written: " + status.error().message});
  }
  if (operation == flush_operation_) {
    flush_operation_ = 0;
    if (status) flushed_ = flushing_;
    flushed_at_us_ = monotonic_us();
    if (flushed_ == posted_ && busy_since_us_ != 0) {
      busy_us_ += flushed_at_us_ - busy_since_us_;
      busy_since_us_ = 0;
    }
  }
  return true;
}

}  // namespace sluice::runtime
