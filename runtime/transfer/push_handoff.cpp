// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/push_handoff.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "kernels/core/check.hpp"
#include "runtime/transfer/checksum.hpp"

namespace sluice::runtime {
namespace {

std::uint64_t round_up(std::uint64_t bytes) {
  return (bytes + SlotRing::kAlignmentBytes - 1) / SlotRing::kAlignmentBytes *
         SlotRing::kAlignmentBytes;
}

}  // namespace

PushHandoff::PushHandoff(const WantMessage& want, MutableBytes staging, PushLink& link)
    : want_(want), staging_(staging), link_(link) {
  if (want_.frame_bytes_largest == 0) want_.frame_bytes_largest = want_.frame_bytes;
}

Status PushHandoff::grant(const GrantMessage& grant, std::uint64_t arena_bytes) {
  if (grant_) return make_error(ErrorCode::kInvalidArgument, "a slot was granted before");
  if (grant.bytes == 0 || grant.bytes < want_.frame_bytes_largest ||
      grant.offset_bytes > arena_bytes || arena_bytes - grant.offset_bytes < grant.bytes) {
    return make_error(ErrorCode::kCorrupt, "the decode worker granted a slot of the wrong size");
  }
  grant_ = grant;
  ring_ = SlotRing(grant.bytes);
  return {};
}

Status PushHandoff::add(const Piece& piece, std::size_t room_bytes) {
  const bool is_inside =
      piece.offset_bytes <= staging_.size() && piece.bytes <= staging_.size() - piece.offset_bytes;
  if (!is_inside || piece.bytes == 0 || piece.bytes > want_.frame_bytes_largest ||
      piece.offset_bytes % SlotRing::kAlignmentBytes != 0) {
    return make_error(ErrorCode::kInternal, "a frame does not lie where its handoff's frames may");
  }
  const auto index = static_cast<std::uint32_t>(frames_.size());
  const std::uint64_t room = std::max<std::uint64_t>(room_bytes, round_up(piece.bytes));
  frames_.push_back({piece, piece.offset_bytes, piece.offset_bytes + room, false, false});
  const auto place =
      std::upper_bound(ready_.begin() + static_cast<std::ptrdiff_t>(ready_first_), ready_.end(),
                       piece.offset_bytes, [this](std::uint64_t offset, std::uint32_t frame) {
                         return offset < frames_[frame].staging_offset;
                       });
  ready_.insert(place, index);
  waiting_bytes_ += piece.bytes;
  added_bytes_ += piece.bytes;
  return {};
}

void PushHandoff::finish(ManifestMessage manifest) {
  manifest_ = std::move(manifest);
  manifest_->range = want_.range;
  manifest_->frames = frames_.size();
  manifest_->checksum = folded_checksum();
}

std::uint64_t PushHandoff::folded_checksum() const {
  std::vector<const Piece*> pieces;
  pieces.reserve(frames_.size());
  for (const Frame& frame : frames_) pieces.push_back(&frame.piece);
  std::sort(pieces.begin(), pieces.end(), [](const Piece* a, const Piece* b) {
    return std::tie(a->range.layer_first, a->range.head_first, a->first_token) <
           std::tie(b->range.layer_first, b->range.head_first, b->first_token);
  });
  std::uint64_t folded = 0;
  for (const Piece* piece : pieces) folded = fold_checksum(folded, piece->checksum);
  return folded;
}

bool PushHandoff::can_write() const {
  if (!grant_ || is_stopped_) return false;
  if (run_.bytes != 0 || !again_.empty()) return true;
  return ready_first_ < ready_.size() &&
         frames_[ready_[ready_first_]].piece.bytes <= ring_.room_bytes();
}

std::size_t PushHandoff::take_queueable() {
  if (!can_write()) return 0;
  const std::size_t on_places =
      run_.frame_bytes - std::min(run_.frame_bytes, run_.posted_bytes) + again_bytes_;
  const std::size_t most = std::min<std::size_t>(waiting_bytes_, on_places + ring_.room_bytes());
  if (most <= queued_bytes_) return 0;
  return most - std::exchange(queued_bytes_, most);
}

PushWrite PushHandoff::next(const PushCut& cut, std::uint64_t covering_flush) {
  if (run_.bytes == 0) {
    if (again_.empty()) {
      start_run(cut);
    } else {
      start_rewrite();
    }
  }
  const std::size_t left = run_.bytes - run_.posted_bytes;
  // A last chunk that would be small goes along; joined frames fit into one.
  const bool is_last = run_frames_.size() > 1 || left <= cut.chunk_bytes + cut.chunk_bytes / 4;
  PushWrite write;
  const std::size_t bytes = is_last ? left : cut.chunk_bytes;
  write.source = Bytes(staging_).subspan(run_.staging_offset + run_.posted_bytes, bytes);
  write.slot_offset = run_.slot_offset + run_.posted_bytes;
  write.frame_bytes = run_frames_.size() > 1 ? run_.frame_bytes : bytes;
  run_.posted_bytes += bytes;
  waiting_bytes_ -= write.frame_bytes;
  write.late_bytes = write.frame_bytes - std::min(write.frame_bytes, queued_bytes_);
  queued_bytes_ -= write.frame_bytes - write.late_bytes;
  bytes_written_ += write.frame_bytes;
  last_flush_ = covering_flush;
  if (is_last) {
    for (const std::uint32_t frame : run_frames_) posted_.push_back({frame, covering_flush});
    run_ = {};
  }
  return write;
}

void PushHandoff::start_rewrite() {
  const Frame& frame = frames_[again_.front()];
  run_frames_.assign(1, again_.front());
  again_.erase(again_.begin());
  again_bytes_ -= frame.piece.bytes;
  run_ = {frame.staging_offset, frame.piece.offset_bytes, frame.piece.bytes, frame.piece.bytes, 0};
}

void PushHandoff::start_run(const PushCut& cut) {
  const std::uint64_t begin = frames_[ready_[ready_first_]].staging_offset;
  const std::size_t bytes = join_frames(cut, ring_.room_bytes());
  ready_first_ += run_frames_.size();
  if (ready_first_ == ready_.size()) {
    ready_.clear();
    ready_first_ = 0;
  }
  ring_.make_room(bytes);
  run_ = {begin, 0, bytes, 0, 0};
  for (const std::uint32_t index : run_frames_) {
    Piece& piece = frames_[index].piece;
    piece.offset_bytes = ring_.place(piece.bytes, index);
    run_.frame_bytes += piece.bytes;
  }
  run_.slot_offset = frames_[run_frames_.front()].piece.offset_bytes;
}

// Fills run_frames_ with the first ready frame and those that can leave with it; what they span.
std::size_t PushHandoff::join_frames(const PushCut& cut, std::uint64_t room_bytes) {
  const Frame* last = &frames_[ready_[ready_first_]];
  const std::uint64_t begin = last->staging_offset;
  run_frames_.assign(1, ready_[ready_first_]);
  std::uint64_t end = begin + last->piece.bytes;
  if (last->piece.bytes >= cut.coalesce_bytes) return end - begin;
  for (std::size_t i = ready_first_ + 1; i < ready_.size(); ++i) {
    Frame& frame = frames_[ready_[i]];
    const std::uint64_t place = round_up(end);
    if (frame.piece.bytes >= cut.coalesce_bytes || frame.staging_offset != last->staging_end ||
        place + frame.piece.bytes - begin > std::min<std::uint64_t>(room_bytes, cut.chunk_bytes)) {
      break;
    }
    if (place != frame.staging_offset) {
      if (!cut.can_move) break;
      std::memmove(staging_.data() + place, staging_.data() + frame.staging_offset,
                   frame.piece.bytes);
      frame.staging_offset = place;
    }
    end = place + frame.piece.bytes;
    last = &frame;
    run_frames_.push_back(ready_[i]);
  }
  return end - begin;
}

void PushHandoff::announce(std::uint64_t flushes_done, std::vector<Piece>& pieces) {
  std::size_t count = 0;
  while (count < posted_.size() && posted_[count].covering_flush <= flushes_done) {
    Frame& frame = frames_[posted_[count].frame];
    frame.is_announced = true;
    if (!frame.was_asked_again) flushed_bytes_ += frame.piece.bytes;
    pieces.push_back(frame.piece);
    ++count;
  }
  announced_ += count;
  posted_.erase(posted_.begin(), posted_.begin() + static_cast<std::ptrdiff_t>(count));
}

std::optional<ManifestMessage> PushHandoff::manifest_to_send() {
  if (!manifest_ || !grant_ || is_manifest_sent_ || is_stopped_ || announced_ < frames_.size()) {
    return std::nullopt;
  }
  is_manifest_sent_ = true;
  manifest_->epoch = grant_->epoch;
  RequestTimeline& timeline = manifest_->timeline;
  timeline.wire_us = std::max<std::int64_t>(
      0, flushed_at_us_ - manifest_->prefill_end_us - timeline.encode_exposed_us);
  timeline.kv_bytes_wire = bytes_written_;
  timeline.link_bytes_per_s =
      busy_us_ > 0 ? static_cast<double>(bytes_written_) * 1e6 / static_cast<double>(busy_us_) : 0;
  return std::exchange(manifest_, std::nullopt);
}

Status PushHandoff::taken(const TakenMessage& taken) {
  if (!grant_ || taken.epoch != grant_->epoch) return {};
  for (const std::uint64_t offset : taken.offsets) {
    const auto index = ring_.find(offset);
    if (!index) continue;
    if (!frames_[*index].is_announced) {
      return make_error(ErrorCode::kCorrupt,
                        "the decode worker took a piece that it was not told of");
    }
    ring_.release(offset);
  }
  if (!taken.is_all) return {};
  if (!is_manifest_sent_ || announced_ < frames_.size()) {
    return make_error(ErrorCode::kCorrupt,
                      "the decode worker took all of a request before it was told of all");
  }
  is_all_taken_ = true;
  return {};
}

Status PushHandoff::again(const AgainMessage& again) {
  if (!grant_ || again.epoch != grant_->epoch || is_stopped_) return {};
  const auto index = ring_.find(again.offset_bytes);
  if (!index) return {};
  Frame& frame = frames_[*index];
  if (!frame.is_announced || frame.was_asked_again) {
    return make_error(ErrorCode::kCorrupt, "the decode worker asks again for a piece, and may not");
  }
  frame.was_asked_again = true;
  frame.is_announced = false;
  --announced_;
  again_.push_back(*index);
  again_bytes_ += frame.piece.bytes;
  waiting_bytes_ += frame.piece.bytes;
  return {};
}

std::size_t PushHandoff::stop() {
  is_stopped_ = true;
  run_ = {};
  waiting_bytes_ = 0;
  return std::exchange(queued_bytes_, 0);
}

void PushHandoff::note_posted(std::int64_t now_us) {
  ++books.writes_in_flight;
  if (busy_since_us_ == 0) busy_since_us_ = now_us;
}

void PushHandoff::note_flushed(std::int64_t now_us, std::uint64_t flushes_done) {
  if (busy_since_us_ == 0) return;
  flushed_at_us_ = now_us;
  if (!has_landed(flushes_done)) return;
  busy_us_ += now_us - busy_since_us_;
  busy_since_us_ = 0;
}

}  // namespace sluice::runtime
