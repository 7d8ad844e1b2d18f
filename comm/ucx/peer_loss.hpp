// SPDX-License-Identifier: Apache-2.0
// When a peer counts as lost, and when it is proven that nothing of it can land any more. Private
// to the folder. Times are microseconds of one clock.
//
// A peer's process that has ended (we hold a descriptor of it) is the only proof:
// - Shared memory and CMA: the writer copies by itself, through its mapping of our memory or by the
//   kernel in its name. Nothing we close takes that from it; its end does, at once.
// - TCP: UCX's receiver in this process copies what the sockets hold. What a process had handed to
//   its kernel before it ended is still delivered. On one host that is at most the buffers of its
//   sockets, so after the end our worker must have run dry before we say so.
// - rc, dc: the kernel destroys a process's queue pairs before the process counts as ended.
// No status of UCX proves it:
// - UCS_ERR_ENDPOINT_TIMEOUT, UCS_ERR_TIMED_OUT (retries and keepalive used up): mere silence. UCX
//   1.13 reports this one for a closed TCP connection too.
// - UCS_ERR_CONNECTION_RESET: over TCP also for a connection that timed out, and in any case for
// one
//   of several connections: the peer's writes may arrive by others that are still full. From UCP it
//   says that the peer closed its endpoint, while its process lives. Over rc it is a refused
//   access.
// - UCS_ERR_NOT_CONNECTED: that our own endpoint is closed.
// - Closing our endpoint ends its queue pair or socket, but UCX gives no handle for the endpoints
//   that a peer's connections made here.
// So a peer of another host, or of another process namespace, is only ever silent, not gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "comm/transport.hpp"

namespace sluice::comm::ucx {

class PeerLoss {
 public:
  // An endpoint failed, or its process has ended.
  void fail(std::string reason, bool is_watched, std::int64_t now_us);
  void end_process(std::int64_t now_us);

  // After each round of progress; `was_idle`: no socket or queue had anything.
  void progressed(bool was_idle, std::int64_t now_us);

  bool is_lost() const { return failed_us_ >= 0; }
  bool has_ended() const { return ended_us_ >= 0; }
  // True while take_report() may answer later without a new event: progress is to go on.
  bool is_pending() const;

  // What to report now: once, or first kUnknown and later kGone.
  std::optional<PeerFate> take_report(std::int64_t now_us);
  const std::string& reason() const { return reason_; }

  // A process that dies closes its connections some milliseconds before it counts as ended: one
  // report with the proof is better than two.
  static constexpr std::int64_t kProofWaitUs = 100'000;
  // Delivery between two sockets of one host is a matter of microseconds.
  static constexpr std::int64_t kDryUs = 10'000;
  // Where other peers keep the worker busy: each round reads from every socket that has something,
  // and 4,096 rounds of UCX's smallest read, 8 KiB, are more than the buffers of both ends hold.
  static constexpr int kDryRounds = 4096;

 private:
  bool is_dry(std::int64_t now_us) const;

  std::int64_t failed_us_ = -1;
  std::int64_t ended_us_ = -1;
  std::int64_t busy_us_ = -1;  // when the worker last had something, after the end
  int rounds_ = 0;             // since the end
  bool is_watched_ = false;
  std::optional<PeerFate> reported_;
  std::string reason_;
};

}  // namespace sluice::comm::ucx
