// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/peer_watch.hpp"

#include <algorithm>

namespace sluice::runtime {

void PeerWatch::watch(comm::NodeId peer, std::int64_t now_us) {
  // The first beat is due at once: what is watched is depended on from now.
  peers_.try_emplace(peer, Peer{.heard_us = now_us, .beat_us = now_us - options_.interval_us});
}

void PeerWatch::forget(comm::NodeId peer) { peers_.erase(peer); }

void PeerWatch::heard(comm::NodeId peer, std::int64_t now_us) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  Peer& state = found->second;
  state.heard_us = std::max(state.heard_us, now_us);
  if (!state.is_silent) return;
  state.is_silent = false;
  state.is_news = true;
}

bool PeerWatch::is_silent(comm::NodeId peer) const {
  const auto found = peers_.find(peer);
  return found != peers_.end() && found->second.is_silent;
}

// One that is silent gets fewer: they pile up at a stopped process, which answers them all one day.
std::int64_t PeerWatch::beat_due_us(const Peer& peer) const {
  constexpr std::int64_t kSilentFactor = 5;
  return peer.beat_us + options_.interval_us * (peer.is_silent ? kSilentFactor : 1);
}

PeerWatch::Turn PeerWatch::turn(std::int64_t now_us) {
  const bool was_paused = last_turn_us_ && now_us - *last_turn_us_ > options_.pause_us;
  last_turn_us_ = now_us;
  Turn turn;
  for (auto& [node, peer] : peers_) {
    // What they said meanwhile has yet to be read.
    if (was_paused) peer.heard_us = std::max(peer.heard_us, now_us);
    if (std::exchange(peer.is_news, false)) turn.news.emplace_back(node, PeerNews::kHeardAgain);
    if (!peer.is_silent && now_us - peer.heard_us >= options_.silent_after_us) {
      peer.is_silent = true;
      turn.news.emplace_back(node, PeerNews::kSilent);
    }
    if (now_us >= beat_due_us(peer)) {
      peer.beat_us = now_us;
      turn.beats.push_back(node);
    }
  }
  return turn;
}

std::optional<std::int64_t> PeerWatch::next_us() const {
  std::optional<std::int64_t> next;
  const auto at = [&next](std::int64_t due_us) { next = std::min(next.value_or(due_us), due_us); };
  for (const auto& [node, peer] : peers_) {
    if (peer.is_news) at(last_turn_us_.value_or(peer.heard_us));
    if (!peer.is_silent) at(peer.heard_us + options_.silent_after_us);
    at(beat_due_us(peer));
  }
  return next;
}

}  // namespace sluice::runtime
