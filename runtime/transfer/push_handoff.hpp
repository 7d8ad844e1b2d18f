// SPDX-License-Identifier: Apache-2.0
// One handoff as its sender keeps it: which frames are where, in the staging memory and in the
// granted slot, and how far each has come. Posts nothing itself: PushLink asks for the next write.
//
// Frames are written in the order in which they lie in the staging memory, as far as they are
// there. Small ones that lie side by side become one write: they move together first, each towards
// the front and within what was its own room and the room of the one before it, so that no frame
// that is still being made, or is in flight, is touched. A frame's new place is remembered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "runtime/transfer/messages.hpp"
#include "runtime/transfer/slot_ring.hpp"

namespace sluice::runtime {

class PushLink;

// What goes onto the link next, for one handoff.
struct PushWrite {
  Bytes source;
  std::uint64_t slot_offset = 0;  // from the start of the slot
  std::size_t frame_bytes = 0;    // without what lies between frames
  std::size_t late_bytes = 0;     // of frame_bytes: not among take_queueable()'s
};

// How writes are cut.
struct PushCut {
  std::size_t chunk_bytes = 0;     // of one write at most
  std::size_t coalesce_bytes = 0;  // frames below it go together
  bool can_move = true;            // the staging memory is the host's
};

class PushHandoff {
 public:
  PushHandoff(const WantMessage& want, MutableBytes staging, PushLink& link);

  RequestId request() const { return want_.request; }
  PushLink& link() { return link_; }

  // kCorrupt: a slot that does not fit the arena or what was asked for. A second one is refused
  // with kInvalidArgument and changes nothing.
  Status grant(const GrantMessage& grant, std::uint64_t arena_bytes);
  const std::optional<GrantMessage>& granted() const { return grant_; }

  // kInternal: the frame is not one that this handoff may have.
  Status add(const Piece& piece, std::size_t room_bytes = 0);
  void finish(ManifestMessage manifest);

  // Whether next() has something: granted, a frame is there, and there is room for it.
  bool can_write() const;
  // The next write; `covering_flush`: the number of the first flush that can cover it.
  PushWrite next(const PushCut& cut, std::uint64_t covering_flush);
  // Bytes of frames that came to wait for the link alone since the last call: not for the grant,
  // nor for places to come free.
  std::size_t take_queueable();
  // A frame was posted to its end, and no flush has covered it yet.
  bool wants_flush(std::uint64_t flushes_posted) const {
    return !posted_.empty() && posted_.back().covering_flush > flushes_posted;
  }
  // Whether all that was posted has landed.
  bool has_landed(std::uint64_t flushes_done) const { return last_flush_ <= flushes_done; }

  // The frames that came to be flushed since the last call, for the target to hear.
  void announce(std::uint64_t flushes_done, std::vector<Piece>& pieces);
  // The manifest, once: when it is there and all frames are announced. Epoch, range, frames,
  // checksum and the wire part of the timeline are filled in.
  std::optional<ManifestMessage> manifest_to_send();

  // What the target says of its slot. kCorrupt: it speaks of frames it cannot have seen.
  Status taken(const TakenMessage& taken);
  Status again(const AgainMessage& again);
  bool is_all_taken() const { return is_all_taken_; }

  // Bytes of frames: added, and of them flushed; what is written again counts once.
  std::uint64_t added_bytes() const { return added_bytes_; }
  std::uint64_t flushed_bytes() const { return flushed_bytes_; }

  // Nothing more is posted. How many of the bytes that waited for the link alone had not been.
  std::size_t stop();
  bool is_stopped() const { return is_stopped_; }

  // The time in which something of it was under way.
  void note_posted(std::int64_t now_us);
  void note_flushed(std::int64_t now_us, std::uint64_t flushes_done);

  // Of the engine and the link, which keep them.
  struct Books {
    std::size_t staging_offset = 0;
    std::uint32_t writes_in_flight = 0;
    bool is_released = false;  // by the caller
    bool gave_staging_back = false;
    bool is_over = false;      // its end is told
    bool is_in_turns = false;
    std::optional<Error> failure;  // the last word to be
    bool target_knows = false;
  };
  Books books;

 private:
  struct Frame {
    Piece piece;                       // its offset: in the slot, once it has a place there
    std::uint64_t staging_offset = 0;  // where it is now
    std::uint64_t staging_end = 0;     // where the next frame's room begins
    bool is_announced = false;
    bool was_asked_again = false;
  };
  // Frames side by side, in staging memory and slot, on their way in one write or in chunks.
  struct Run {
    std::uint64_t staging_offset = 0;
    std::uint64_t slot_offset = 0;
    std::size_t bytes = 0;        // 0: none
    std::size_t frame_bytes = 0;  // less than `bytes` only when it goes in one write
    std::size_t posted_bytes = 0;
  };
  struct Posted {
    std::uint32_t frame = 0;
    std::uint64_t covering_flush = 0;
  };

  void start_run(const PushCut& cut);
  void start_rewrite();
  std::size_t join_frames(const PushCut& cut, std::uint64_t room_bytes);
  std::uint64_t folded_checksum() const;

  WantMessage want_;
  MutableBytes staging_;
  PushLink& link_;
  std::optional<GrantMessage> grant_;
  SlotRing ring_;

  std::vector<Frame> frames_;         // in the order they came
  std::vector<std::uint32_t> ready_;  // of frames_, by staging offset
  std::size_t ready_first_ = 0;       // of ready_: those before it are on their way
  std::vector<std::uint32_t> again_;  // of frames_, to be written once more
  std::size_t again_bytes_ = 0;
  Run run_;
  std::vector<std::uint32_t> run_frames_;
  std::vector<Posted> posted_;    // to their end, and not yet announced
  std::size_t announced_ = 0;     // frames, each once
  std::uint64_t last_flush_ = 0;  // that covers the last write

  std::optional<ManifestMessage> manifest_;
  bool is_manifest_sent_ = false;
  bool is_all_taken_ = false;
  bool is_stopped_ = false;
  std::size_t waiting_bytes_ = 0;  // added and not posted
  std::size_t queued_bytes_ = 0;   // of them: told by take_queueable()

  std::int64_t busy_since_us_ = 0;  // 0: nothing under way
  std::int64_t busy_us_ = 0;
  std::int64_t flushed_at_us_ = 0;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t added_bytes_ = 0;
  std::uint64_t flushed_bytes_ = 0;
};

}  // namespace sluice::runtime
