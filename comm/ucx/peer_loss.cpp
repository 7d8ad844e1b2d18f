// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/peer_loss.hpp"

#include <utility>

namespace sluice::comm::ucx {

void PeerLoss::fail(std::string reason, bool is_watched, std::int64_t now_us) {
  if (is_lost()) return;
  failed_us_ = now_us;
  is_watched_ = is_watched;
  reason_ = std::move(reason);
}

void PeerLoss::end_process(std::int64_t now_us) {
  if (has_ended()) return;
  fail("its process has ended", true, now_us);
  ended_us_ = now_us;
  busy_us_ = now_us;
}

void PeerLoss::progressed(bool was_idle, std::int64_t now_us) {
  if (!has_ended()) return;
  if (rounds_ < kDryRounds) ++rounds_;
  if (!was_idle) busy_us_ = now_us;
}

bool PeerLoss::is_dry(std::int64_t now_us) const {
  if (now_us - ended_us_ < kDryUs) return false;
  return now_us - busy_us_ >= kDryUs || rounds_ >= kDryRounds;
}

bool PeerLoss::is_pending() const {
  return is_lost() && (!reported_ || (has_ended() && *reported_ != PeerFate::kGone));
}

std::optional<PeerFate> PeerLoss::take_report(std::int64_t now_us) {
  if (!is_lost() || reported_ == PeerFate::kGone) return std::nullopt;
  if (has_ended()) {
    if (!is_dry(now_us)) return std::nullopt;
    reported_ = PeerFate::kGone;
    return reported_;
  }
  if (reported_ || (is_watched_ && now_us - failed_us_ < kProofWaitUs)) return std::nullopt;
  reported_ = PeerFate::kUnknown;
  return reported_;
}

}  // namespace sluice::comm::ucx
