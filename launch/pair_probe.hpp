// SPDX-License-Identifier: Apache-2.0
// The measuring half of `sluice doctor --pair`: one of two processes, A and B. Each opens a
// transport and says hello; A then drives, and learns what both saw.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/transport.hpp"
#include "launch/pair_facts.hpp"

namespace sluice::launch {

inline constexpr comm::NodeId kSideA = 0;
inline constexpr comm::NodeId kSideB = 1;

// On the transport's clock.
struct PairPatience {
  std::int64_t silence_us = 20'000'000;  // the other side says nothing: it counts as lost
  std::int64_t size_us = 300'000;        // for the puts of one size, about
};

class PairProbe {
 public:
  // Takes a region of host memory of the largest block.
  static Result<PairProbe> open(std::unique_ptr<comm::Transport> transport, SideFacts mine,
                                const PairPatience& patience);

  // Address, region and facts of this side, for the other one.
  Result<std::vector<std::byte>> hello();

  // A's part, with B's hello. Errors name the side: kTimeout for silence, kUnavailable for a loss.
  Result<PairFacts> run_a(Bytes hello_of_b);
  // B's part; returns once A has all that it wants.
  Status run_b(Bytes hello_of_a);

 private:
  PairProbe() = default;

  Status meet(Bytes hello);
  Result<DirectionFacts> measure();
  Result<double> put_seconds(std::size_t block_bytes, std::size_t count);
  Result<double> put_rate(std::size_t block_bytes, double* block_seconds);
  Result<double> round_trip_us();
  Result<comm::Completion> next();
  Result<comm::Completion> next_message();
  Status answer_until_turn();

  std::unique_ptr<comm::Transport> transport_;
  SideFacts mine_;
  SideFacts other_;
  comm::NodeId peer_ = kSideB;
  PairPatience patience_;
  comm::Region region_;
  comm::RemoteRegion remote_;
};

}  // namespace sluice::launch
