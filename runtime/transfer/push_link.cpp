// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/push_link.hpp"

#include <algorithm>
#include <utility>

#include "runtime/transfer/fault_point.hpp"

namespace sluice::runtime {
namespace {

// The pace follows the meter, which averages over longer times than this.
constexpr std::int64_t kPaceLifeUs = 5'000;
// A write costs a microsecond or so whatever its size: smaller chunks would be all cost.
constexpr std::size_t kChunkBytesMin = std::size_t{4} << 10;

Error could_not_write(const Status& why) {
  return make_error(ErrorCode::kUnavailable, "the KV could not be written: " + why.error().message);
}

}  // namespace

void PushLink::set_arena(const comm::RemoteRegion& arena) {
  lose(true);
  arena_ = arena;
}

void PushLink::lose(bool forever) {
  if (forever) arena_.reset();
  ++incarnation_;
  turns_.clear();
  in_flight_bytes_ = 0;
  flushes_done_ = flushes_posted_;
  is_flush_wanted_ = false;
  has_news_ = false;
}

void PushLink::add(PushHandoff& handoff) {
  was_used_ = true;
  handoffs_.push_back(&handoff);
}

void PushLink::remove(PushHandoff& handoff) {
  std::erase(handoffs_, &handoff);
  leave_turns(handoff);
}

void PushLink::leave_turns(PushHandoff& handoff) {
  if (std::exchange(handoff.books.is_in_turns, false)) std::erase(turns_, &handoff);
}

void PushLink::wake(PushHandoff& handoff) {
  if (handoff.is_stopped()) {
    // The last word waits until all that was posted has landed, whole frames or not.
    if (!handoff.has_landed(flushes_posted_)) is_flush_wanted_ = true;
    return;
  }
  if (const std::size_t bytes = handoff.take_queueable(); bytes != 0) {
    meter_.queued(bytes, transport_.now_us());
  }
  if (handoff.books.is_in_turns || !handoff.can_write()) return;
  handoff.books.is_in_turns = true;
  turns_.push_back(&handoff);
}

const comm::Pace& PushLink::pace(std::int64_t now_us) {
  if (now_us >= pace_until_us_) {
    pace_ = comm::pace_for(meter_.estimate(now_us));
    pace_.chunk_bytes =
        std::max(pace_.chunk_bytes / kChunkBytesMin, std::size_t{1}) * kChunkBytesMin;
    pace_until_us_ = now_us + kPaceLifeUs;
  }
  return pace_;
}

Status PushLink::post(std::size_t coalesce_bytes, bool can_move) {
  if (!turns_.empty()) {
    const comm::Pace& now = pace(transport_.now_us());
    const PushCut cut{now.chunk_bytes, coalesce_bytes, can_move};
    // Something may always be on the link, however small the window.
    while (!turns_.empty() && (in_flight_bytes_ == 0 || in_flight_bytes_ < now.window_bytes)) {
      PushHandoff& handoff = *turns_.front();
      turns_.pop_front();
      handoff.books.is_in_turns = false;
      post_turn(handoff, cut);
      wake(handoff);
    }
  }
  if (is_flush_wanted_ && flushes_posted_ == flushes_done_) return post_flush();
  return {};
}

// A turn is a chunk's worth of bytes.
void PushLink::post_turn(PushHandoff& handoff, const PushCut& cut) {
  std::size_t bytes = 0;
  do {
    const PushWrite write = handoff.next(cut, flushes_posted_ + 1);
    if (const Status posted = post_write(handoff, write); !posted) {
      return fail(handoff, could_not_write(posted), false);
    }
    bytes += write.source.size();
  } while (bytes < cut.chunk_bytes && handoff.can_write());
  if (handoff.wants_flush(flushes_posted_)) is_flush_wanted_ = true;
}

void PushLink::fail(PushHandoff& handoff, const Error& error, bool target_knows) {
  if (handoff.books.failure) return;
  meter_.dropped(handoff.stop(), transport_.now_us());
  leave_turns(handoff);
  handoff.books.failure = error;
  handoff.books.target_knows = target_knows;
  wake(handoff);
  note_news();
}

Status PushLink::post_write(PushHandoff& handoff, const PushWrite& write) {
  const std::int64_t now_us = transport_.now_us();
  if (write.late_bytes != 0) meter_.queued(write.late_bytes, now_us);
  const comm::OperationId id =
      operations_.add({this, &handoff, incarnation_, write.frame_bytes, now_us});
  const Status posted = transport_.write(
      *arena_, handoff.granted()->offset_bytes + write.slot_offset, write.source, id);
  if (!posted) {
    operations_.take(id);
    meter_.dropped(write.frame_bytes, now_us);
    return posted;
  }
  pass_fault_point(FaultPoint::kPrefillMidLayers);
  handoff.note_posted(now_us);
  in_flight_bytes_ += write.frame_bytes;
  return {};
}

Status PushLink::post_flush() {
  const comm::OperationId id =
      operations_.add({this, nullptr, incarnation_, 0, transport_.now_us()});
  const Status posted = transport_.flush(peer_, id);
  if (!posted) {
    operations_.take(id);
    return posted;
  }
  meter_.flushing(in_flight_bytes_, transport_.now_us());
  ++flushes_posted_;
  is_flush_wanted_ = false;
  return {};
}

Status PushLink::complete(const PushOperation& operation, const Status& status) {
  const std::int64_t now_us = transport_.now_us();
  const bool is_current = operation.incarnation == incarnation_;
  if (PushHandoff* handoff = operation.handoff; handoff != nullptr) {
    --handoff->books.writes_in_flight;
    if (is_current) in_flight_bytes_ -= operation.bytes;
    if (status) {
      meter_.completed(operation.bytes, operation.posted_us, now_us);
    } else {
      meter_.dropped(operation.bytes, now_us);
      // The flush that its last word waits for says whether the link still works.
      if (!handoff->books.is_over) fail(*handoff, could_not_write(status), false);
    }
    return {};
  }
  if (!is_current) return {};
  if (!status) return could_not_write(status);
  meter_.flushed(operation.posted_us, now_us);
  flushes_done_ = flushes_posted_;
  note_news();
  for (PushHandoff* handoff : handoffs_) handoff->note_flushed(now_us, flushes_done_);
  return {};
}

}  // namespace sluice::runtime
