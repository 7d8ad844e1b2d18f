// SPDX-License-Identifier: Apache-2.0
// What the process that kills and its sides say to each other, over a socket that keeps packets
// apart; and a side's process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/comm/handoff_sides.hpp"

namespace sluice::bench {

struct Packet {
  enum class Kind : std::uint32_t {
    kHello,      // from a side: address and key
    kMeet,       // to a side: `node` has this address and key
    kSubmit,     // to a sender: `request`
    kEnded,      // from a sender: `request`, `is_good`
    kCame,       // from the receiver: `request`, `is_good`
    kReclaimed,  // from a side: all that was held of `node`, at `time_us`
    kAsk,        // to a side: numbers, please
    kNumbers,    // from a side
    kQuit,
  };
  struct Numbers {
    std::uint64_t held_bytes = 0;   // of slots, or of staging memory
    std::uint64_t quarantined = 0;  // of slots
    std::uint64_t waiting = 0;
    std::uint64_t open = 0;  // requests
  };

  Kind kind = Kind::kHello;
  comm::NodeId node = 0;
  bool is_good = false;
  runtime::RequestId request = 0;
  std::int64_t time_us = 0;
  Numbers numbers;
  std::vector<std::byte> address;
  std::vector<std::byte> key;
};

// False: the other end is gone.
bool send_packet(int socket, const Packet& packet);
// Nothing when none is there, or no more will come (`is_over`).
std::optional<Packet> receive_packet(int socket, bool* is_over);

// Until it is told to quit, or whoever started it is gone.
void run_child(const SideOptions& options, int socket);

}  // namespace sluice::bench
