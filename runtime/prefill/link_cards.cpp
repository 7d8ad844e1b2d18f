// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/link_cards.hpp"

#include <algorithm>
#include <string>

namespace sluice::runtime {
namespace {

// A reading costs some microseconds; the meter wants one within 20 to 200 ms.
constexpr std::int64_t kIntervalUs = 50'000;

}  // namespace

std::optional<comm::NicSample> LinkCards::due(const comm::Transport& transport, comm::NodeId peer) {
  Link& link = links_[peer];
  const std::int64_t now_us = transport.now_us();
  if (now_us < link.due_us) return std::nullopt;
  link.due_us = now_us + kIntervalUs;
  if (!link.are_lanes_known) find_cards(transport, peer, link);
  if (link.cards.empty()) return std::nullopt;
  comm::NicSample sum;
  for (const comm::NicCounters& card : link.cards) {
    const auto counted = card.read();
    if (!counted) return std::nullopt;
    sum.sent_bytes += counted->sent_bytes;
    sum.received_bytes += counted->received_bytes;
    sum.speed_bytes_per_s += counted->speed_bytes_per_s;
  }
  return sum;
}

void LinkCards::find_cards(const comm::Transport& transport, comm::NodeId peer, Link& link) const {
  for (const std::string& lane : transport.lanes(peer)) {
    link.are_lanes_known = true;
    auto card = comm::NicCounters::open(lane, sysfs_);
    const bool is_new =
        card && std::ranges::none_of(link.cards, [&](const comm::NicCounters& other) {
          return other.device() == card->device();
        });
    if (is_new) link.cards.push_back(std::move(*card));
  }
}

}  // namespace sluice::runtime
