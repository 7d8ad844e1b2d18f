// SPDX-License-Identifier: Apache-2.0
// What one more transfer between two workers can expect of the links and uplinks between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "scheduler/snapshot.hpp"

namespace sluice::scheduler {

struct LinkOutlook {
  double bytes_per_s = 0.0;        // 0: not known, the wire is taken as free
  std::uint64_t queued_bytes = 0;  // ahead of it
  double round_trip_s = 0.0;
};

// The link of a pair, or where it has sent nothing yet the snapshot's assumed rate; with every
// uplink on the way, of which a transfer gets what is free or, when nothing is, an equal share.
LinkOutlook link_outlook(const Snapshot& snapshot, std::uint32_t prefill_node,
                         std::uint32_t decode_node);

// Of each role at most, below.
inline constexpr std::size_t kOutlookNodesMax = 32;

// The same for all pairs of some workers, in one look at the uplinks: prefill.size() rows of
// decode.size() outlooks. Allocates nothing.
void link_outlooks(const Snapshot& snapshot, std::span<const std::uint32_t> prefill,
                   std::span<const std::uint32_t> decode, std::span<LinkOutlook> outlooks);

}  // namespace sluice::scheduler
