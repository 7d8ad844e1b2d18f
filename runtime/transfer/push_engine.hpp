// SPDX-License-Identifier: Apache-2.0
// The sending half of all handoffs of one process: frames leave by one-sided writes as they are
// made, over every link at once.
//
// One engine owns the staging memory. Handoffs to one target share its link: their writes take
// turns, small frames that lie side by side leave in one write, large ones in chunks of comm::Pace,
// and no more than its window is on the link at once. Every write feeds the link's meter.
//
// Owned and called by the communication thread; talks to it by take_ended(). Nothing here knows
// what a frame holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "comm/link/link_meter.hpp"
#include "comm/transport.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

struct PushOptions {
  // Frames below this many bytes are sent together where they can be.
  std::size_t coalesce_bytes = std::size_t{64} << 10;
};

// A handoff to be. All frames lie in one run of staging memory, each on a boundary of 64 bytes.
struct PushRequest {
  comm::NodeId target = 0;
  WantMessage want;  // as the target gets it
};

class PushEngine {
 public:
  // `staging`: all registered memory that frames may lie in. Both are borrowed.
  PushEngine(comm::Transport& transport, const comm::Region& staging, PushOptions options);
  ~PushEngine();

  // Where this engine may write at `target`; again when another process is behind that node.
  void set_arena(comm::NodeId target, const comm::RemoteRegion& arena);

  // Takes `want.frame_bytes` of staging memory and asks the target for a slot. kResourceExhausted:
  // there is no staging memory now, come back after the next end of a handoff; kInvalidArgument:
  // there never will be, or no arena of the target is known; kUnavailable: the target cannot be
  // reached.
  Result<MutableBytes> open(const PushRequest& request);

  // A frame is in the staging memory; `piece.offset_bytes` is within it, and the checksum is its
  // own. `room_bytes`: from there to the next frame's place, as far as nobody else writes; a small
  // frame moves up to one that it then lies beside. 0: no more than its own bytes, rounded up.
  void add(RequestId request, const Piece& piece, std::size_t room_bytes = 0);

  // No more frames. The manifest goes out when all are flushed; epoch, range, frames, checksum and
  // the wire part of the timeline are filled in here. The exposed wire time starts with
  // `prefill_end_us` in it, and the exposed encoding after that.
  void finish(RequestId request, ManifestMessage manifest);

  // Stops posting; the target gets `error` as the writer's last word, once nothing of this handoff
  // can still land. Without effect on a handoff that has ended.
  void abort(RequestId request, const Error& error);

  // The caller has ceased to write the staging memory of a handoff. It is not used for another one
  // before this, whatever else has happened.
  void release(RequestId request);

  // The completions and messages of the process, as they come. False: not for this engine.
  bool take(comm::NodeId peer, MessageType type, Bytes payload);
  bool take(const comm::Completion& completion);  // of a write or a flush
  // All handoffs to it end. What is in flight holds its staging memory until it completes.
  void peer_lost(comm::NodeId peer, const Status& why);

  // Posts what can go now. After each batch of completions.
  void turn();

  // Handoffs whose end came since the last call: all frames are in the target's pages (ok), or why
  // not. Each handoff ends once; its id is then unknown here.
  struct Ended {
    RequestId request = 0;
    Status status;
    bool target_knows = false;  // the failure came from the target, which tells others itself
  };
  std::vector<Ended> take_ended();

  bool has_handoffs_to(comm::NodeId peer) const;
  std::size_t staging_bytes_taken() const;

  // How far the frames of a handoff are: bytes added, and of them flushed. None of one that is not
  // under way.
  struct Passage {
    std::uint64_t added_bytes = 0;
    std::uint64_t flushed_bytes = 0;

    std::uint64_t left_bytes() const { return added_bytes - flushed_bytes; }
  };
  Passage passage(RequestId request) const;

  // The meter of the link to `peer`, made when first asked for; for round trips and counters.
  comm::LinkMeter& meter(comm::NodeId peer);
  // Of every link that was ever used.
  std::vector<LinkReport> link_reports() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::runtime
