// SPDX-License-Identifier: Apache-2.0
#include "comm/link/pace.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sluice::comm {
namespace {

// A power of two below this time's worth: so 2 to 4 ms, and the same chunk while the estimate
// sways.
constexpr double kChunkSeconds = 4e-3;
// Below, the cost of a write shows; above, nothing is gained.
constexpr std::size_t kChunkBytesMin = std::size_t{64} << 10;
constexpr std::size_t kChunkBytesMax = std::size_t{8} << 20;
// Fast enough for every link, and a slow one still answers within a second or so.
constexpr std::size_t kChunkBytesUnknown = std::size_t{2} << 20;
// One is going out, one waits behind it; two more for a loop that comes round late.
constexpr std::size_t kChunksOnLink = 4;
// A round trip that was measured while its messages queued is no reason for more.
constexpr double kWindowBytesMax = 128.0 * (1 << 20);

}  // namespace

Pace pace_for(const LinkEstimate& link) {
  const double rate =
      link.free_bytes_per_s > 0.0 ? link.free_bytes_per_s : link.capacity_bytes_per_s;
  if (!(rate > 0.0)) return {kChunkBytesUnknown, kChunksOnLink * kChunkBytesUnknown};
  const double wanted = std::clamp(rate * kChunkSeconds, static_cast<double>(kChunkBytesMin),
                                   static_cast<double>(kChunkBytesMax));
  const std::size_t chunk = std::bit_floor(static_cast<std::size_t>(wanted));
  // What is under way when the first of it is answered, and a chunk to follow.
  const double on_the_way =
      std::min(rate * static_cast<double>(link.round_trip_us) * 1e-6, kWindowBytesMax);
  const std::size_t window =
      std::max(kChunksOnLink * chunk, static_cast<std::size_t>(on_the_way) + chunk);
  return {chunk, window};
}

}  // namespace sluice::comm
