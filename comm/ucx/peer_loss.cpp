// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/peer_loss.hpp"

#include <utility>

namespace sluice::comm::ucx {

void PeerLoss::fail(std::string reason, const Facts& facts, std::int64_t now_us) {
  if (is_lost()) return;
  failed_us_ = now_us;
  is_watched_ = facts.is_watched;
  is_gone_ = !facts.lands_by_itself;
  reason_ = std::move(reason);
}

void PeerLoss::end_process(std::int64_t now_us) {
  fail("its process has ended", {}, now_us);
  is_gone_ = true;
}

std::optional<PeerFate> PeerLoss::take_report(std::int64_t now_us) {
  if (!is_lost() || reported_ == PeerFate::kGone) return std::nullopt;
  if (is_gone_) return reported_ = PeerFate::kGone;
  if (reported_ || (is_watched_ && now_us - failed_us_ < kProofWaitUs)) return std::nullopt;
  return reported_ = PeerFate::kUnknown;
}

}  // namespace sluice::comm::ucx
