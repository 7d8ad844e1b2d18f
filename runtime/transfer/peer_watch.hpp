// SPDX-License-Identifier: Apache-2.0
// Whether peers still answer: an own heartbeat, since transports notice a frozen process late or
// never. Pure: no clock, no transport; WorkerNode sends what it says.
//
// Who watches sends a beat at intervals, and any message of the peer counts as an answer. Silence
// says that requests shall not wait for the peer any longer; it does not say that the peer is dead,
// or that its writes have stopped.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "comm/transport.hpp"

namespace sluice::runtime {

struct PeerWatchOptions {
  std::int64_t interval_us = 200'000;
  std::int64_t silent_after_us = 800'000;  // a frozen peer is noticed within a second
  // We ourselves were stopped for longer than this: nobody's silence is held against him.
  std::int64_t pause_us = 400'000;
};

enum class PeerNews : std::uint8_t { kSilent, kHeardAgain };

class PeerWatch {
 public:
  explicit PeerWatch(PeerWatchOptions options = {}) : options_(options) {}

  // Watched from now on; without effect on one that is.
  void watch(comm::NodeId peer, std::int64_t now_us);
  void forget(comm::NodeId peer);

  // A message of any kind came from a peer.
  void heard(comm::NodeId peer, std::int64_t now_us);
  bool is_silent(comm::NodeId peer) const;

  // What is due: whom to send a beat, and whose state has changed since the last turn.
  struct Turn {
    std::vector<comm::NodeId> beats;
    std::vector<std::pair<comm::NodeId, PeerNews>> news;
  };
  Turn turn(std::int64_t now_us);
  const PeerWatchOptions& options() const { return options_; }

  // When turn() will next have something to do by time alone; nothing when nobody is watched.
  std::optional<std::int64_t> next_us() const;

 private:
  struct Peer {
    std::int64_t heard_us = 0;
    std::int64_t beat_us = 0;
    bool is_silent = false;
    bool is_news = false;
  };
  std::int64_t beat_due_us(const Peer& peer) const;

  PeerWatchOptions options_;
  std::map<comm::NodeId, Peer> peers_;
  std::optional<std::int64_t> last_turn_us_;
};

}  // namespace sluice::runtime
