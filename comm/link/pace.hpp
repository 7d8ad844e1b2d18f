// SPDX-License-Identifier: Apache-2.0
// How large the pieces are in which bulk goes onto a link, and how many bytes are on it at once.
#pragma once

#include <cstddef>

#include "comm/link/link_meter.hpp"

namespace sluice::comm {

struct Pace {
  std::size_t chunk_bytes = 0;   // of one write at most; a power of two from 64 KiB to 8 MiB
  std::size_t window_bytes = 0;  // posted and not done, of all transfers over the link
};

// Enough to keep the link full, little enough that a chunk takes some milliseconds: others get
// their turn, and a change of the link shows soon. An unknown link starts with large chunks.
Pace pace_for(const LinkEstimate& link);

}  // namespace sluice::comm
