// SPDX-License-Identifier: Apache-2.0
// All handoffs to one target: whose write goes onto the link next, how much is on it, and what has
// landed.
//
// Writes take turns by bytes. One flush is under way at a time and covers every write posted before
// it, whoever's; while it is, further writes gather behind it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "comm/link/link_meter.hpp"
#include "comm/link/pace.hpp"
#include "comm/transport.hpp"
#include "runtime/transfer/push_handoff.hpp"
#include "runtime/transfer/push_operations.hpp"

namespace sluice::runtime {

class PushLink {
 public:
  // `operations` is shared by all links; both are borrowed.
  PushLink(comm::NodeId peer, comm::Transport& transport, PushOperations& operations)
      : peer_(peer), transport_(transport), operations_(operations) {}
  PushLink(const PushLink&) = delete;
  PushLink& operator=(const PushLink&) = delete;

  comm::NodeId peer() const { return peer_; }
  comm::LinkMeter& meter() { return meter_; }
  const comm::LinkMeter& meter() const { return meter_; }

  // Nothing while no arena is known, or the peer behind it is lost.
  const std::optional<comm::RemoteRegion>& arena() const { return arena_; }
  bool had_arena() const { return incarnation_ != 0; }
  void set_arena(const comm::RemoteRegion& arena);
  // Nothing that is under way counts here any more, and nobody waits for it. `forever`: until there
  // is another arena.
  void lose(bool forever);
  bool was_used() const { return was_used_; }

  const std::vector<PushHandoff*>& handoffs() const { return handoffs_; }
  void add(PushHandoff& handoff);
  void remove(PushHandoff& handoff);  // it is over

  // The handoff may have something to write now, or to be flushed.
  void wake(PushHandoff& handoff);

  // Posts writes and a flush, as far as the pace lets it. An Error: the peer cannot be reached.
  Status post(std::size_t coalesce_bytes, bool can_move);

  // An operation of this link has come back. An Error: the peer cannot be reached.
  Status complete(const PushOperation& operation, const Status& status);
  // Stops it, unless it has failed already. Its last word goes out when all of it has landed.
  void fail(PushHandoff& handoff, const Error& error, bool target_knows);

  // Whether there may be something to say to the target: a flush has come back, or note_news().
  void note_news() { has_news_ = true; }
  bool take_news() { return std::exchange(has_news_, false); }

  std::uint64_t flushes_done() const { return flushes_done_; }

  Status send(MessageType type, Bytes payload) {
    return transport_.send(peer_, static_cast<std::uint16_t>(type), payload);
  }

 private:
  void leave_turns(PushHandoff& handoff);
  void post_turn(PushHandoff& handoff, const PushCut& cut);
  Status post_write(PushHandoff& handoff, const PushWrite& write);
  Status post_flush();
  const comm::Pace& pace(std::int64_t now_us);

  comm::NodeId peer_;
  comm::Transport& transport_;
  PushOperations& operations_;
  comm::LinkMeter meter_;
  std::optional<comm::RemoteRegion> arena_;
  std::uint64_t incarnation_ = 0;  // of arenas: what was posted to an older one counts no more
  bool was_used_ = false;

  std::vector<PushHandoff*> handoffs_;  // not over
  std::deque<PushHandoff*> turns_;      // those that can write, the next one first
  comm::Pace pace_;
  std::int64_t pace_until_us_ = 0;
  std::size_t in_flight_bytes_ = 0;

  std::uint64_t flushes_posted_ = 0;
  std::uint64_t flushes_done_ = 0;
  bool is_flush_wanted_ = false;
  bool has_news_ = false;
};

}  // namespace sluice::runtime
