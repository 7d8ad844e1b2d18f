// SPDX-License-Identifier: Apache-2.0
// What one link can carry, as seen from the sender: fed by every transfer's own timing, by the
// queue before the link, by round trips, and by the network card's counters. Pure arithmetic: no
// clock, no thread, no socket; time comes with each call, in microseconds on the transport's clock.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::comm {

// What the network card counted, of everybody's traffic through it.
struct NicSample {
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  double speed_bytes_per_s = 0.0;  // nominal, as the driver says; 0: it does not say
};

struct LinkEstimate {
  double capacity_bytes_per_s = 0.0;  // payload, when the link is the limit; 0: not known yet
  double free_bytes_per_s = 0.0;      // what a transfer that starts now can expect; 0: not known
  double goodput_bytes_per_s = 0.0;   // ours, over the last window
  double other_bytes_per_s = 0.0;     // others' through the same card; 0 where it is not counted
  double utilization = 0.0;           // of the capacity, by all traffic seen: 0 to 1
  std::uint64_t queued_bytes = 0;     // handed to the link and not yet through it
  std::int64_t round_trip_us = 0;     // smoothed, of small messages; 0: not known
  std::int64_t measured_us = 0;       // when the capacity was last measured; 0: never
};

class LinkMeter {
 public:
  // Bytes that now wait for this link, or were given up.
  void queued(std::size_t bytes, std::int64_t now_us);
  void dropped(std::size_t bytes, std::int64_t now_us);
  // A write of queued bytes was posted at `posted_us`, and is done now.
  void completed(std::size_t bytes, std::int64_t posted_us, std::int64_t now_us);
  void round_trip(std::int64_t took_us);
  // At regular intervals, where there is a card.
  void nic(const NicSample& sample, std::int64_t now_us);

  LinkEstimate estimate(std::int64_t now_us) const;
};

}  // namespace sluice::comm
