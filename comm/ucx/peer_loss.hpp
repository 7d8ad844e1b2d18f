// SPDX-License-Identifier: Apache-2.0
// When a peer counts as lost, and when it is proven that nothing of it can land any more. Private
// to the folder. Times are microseconds of one clock.
//
// Where this process lands a peer's writes itself (landings.hpp: over TCP), it just stops to: the
// loss is the proof, whatever the peer does. Where the peer writes by itself, only the end of its
// process (we hold a descriptor of it) proves it:
// - Shared memory and CMA: the writer copies, through its mapping of our memory or by the kernel in
//   its name. Nothing that we close takes that from it; its end does, at once.
// - rc, dc: the kernel destroys a process's queue pairs before the process counts as ended.
// No status of UCX proves it:
// - UCS_ERR_ENDPOINT_TIMEOUT, UCS_ERR_TIMED_OUT (retries or keepalive used up): mere silence.
// - UCS_ERR_CONNECTION_RESET: from UCP, that the peer closed its endpoint, while its process lives
//   and other endpoints write; over rc, that it refused an access of ours.
// - UCS_ERR_NOT_CONNECTED: that our own endpoint is closed. That ends its queue pair, but UCX gives
//   no handle for the endpoints that the peer's own connections made here.
// So an RDMA peer of another host is only ever silent, not gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "comm/transport.hpp"

namespace sluice::comm::ucx {

class PeerLoss {
 public:
  struct Facts {
    bool is_watched = false;      // its process's end will be noticed
    bool lands_by_itself = true;  // its writes need nothing of this process
  };

  // An endpoint failed. Later calls change nothing.
  void fail(std::string reason, const Facts& facts, std::int64_t now_us);
  // Its process has ended; by itself a loss.
  void end_process(std::int64_t now_us);

  bool is_lost() const { return failed_us_ >= 0; }
  // True while take_report() may answer later without a new event.
  bool is_pending() const { return is_lost() && !reported_; }

  // What to report now: once, or first kUnknown and later kGone.
  std::optional<PeerFate> take_report(std::int64_t now_us);
  const std::string& reason() const { return reason_; }

  // A process that dies closes its connections some milliseconds before it counts as ended: one
  // report with the proof is better than two.
  static constexpr std::int64_t kProofWaitUs = 100'000;

 private:
  std::int64_t failed_us_ = -1;
  bool is_watched_ = false;
  bool is_gone_ = false;
  std::optional<PeerFate> reported_;
  std::string reason_;
};

}  // namespace sluice::comm::ucx
