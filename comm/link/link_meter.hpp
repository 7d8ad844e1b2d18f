// SPDX-License-Identifier: Apache-2.0
// What one link can carry, as seen from the sender: fed by every transfer's own timing, by the
// queue before the link, by round trips, and by the network card's counters. Pure arithmetic: no
// clock, no thread, no socket; time comes with each call, in microseconds on the transport's clock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "comm/link/recent.hpp"

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
  double goodput_bytes_per_s = 0.0;   // ours, over the last half second
  double other_bytes_per_s = 0.0;     // others' through the same card; 0 where it is not counted
  double utilization = 0.0;           // of the capacity, by all traffic seen: 0 to 1
  std::uint64_t queued_bytes = 0;     // handed to the link and not yet through it
  std::int64_t round_trip_us = 0;     // smoothed, of small messages; 0: not known
  std::int64_t measured_us = 0;       // when the capacity was last measured; 0: never
};

class LinkMeter {
 public:
  // Bytes that now wait for this link alone (not for a grant of the target), or were given up.
  void queued(std::size_t bytes, std::int64_t now_us);
  void dropped(std::size_t bytes, std::int64_t now_us);
  // A write of queued bytes was posted at `posted_us`, and is done now.
  void completed(std::size_t bytes, std::int64_t posted_us, std::int64_t now_us);
  // A flush behind writes was posted at `posted_us`, and is done now: they have arrived. Not asked
  // for, but it is what makes short transfers count, whose writes are done when a socket's buffer
  // has them.
  void flushed(std::int64_t posted_us, std::int64_t now_us);
  void round_trip(std::int64_t took_us);
  // At regular intervals of 20 to 200 ms, where there is a card.
  void nic(const NicSample& sample, std::int64_t now_us);

  LinkEstimate estimate(std::int64_t now_us) const;

 private:
  // After a write or a flush: how long something has been on the link, and how much of it is done.
  struct Point {
    std::int64_t at_us = 0;
    std::int64_t busy_us = 0;
    std::uint64_t bytes = 0;
  };
  struct CardPoint {
    std::int64_t at_us = 0;
    std::int64_t busy_us = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t done_bytes = 0;  // ours
  };
  // Of payload, by the card's counters and over the same time by ours.
  struct CardRate {
    double all = 0.0;  // 0 too when the card has not been read
    double ours = 0.0;
    bool is_busy = false;  // ours waited all the time
  };

  void advance(std::int64_t posted_us, std::int64_t now_us);
  void close_burst(std::int64_t now_us);
  void unqueue(std::size_t bytes);
  void measure(std::int64_t now_us);
  void raise(std::int64_t now_us);
  void keep(double ours, double other, std::int64_t now_us);
  std::int64_t busy_until(std::int64_t now_us) const;
  CardRate card_rate(std::int64_t now_us) const;
  double goodput(std::int64_t now_us) const;
  double expected_when_idle(double capacity, double other) const;

  // Writes end in bursts, as often as a loop comes round or a socket has room again; a rate is only
  // right between the ends of two.
  Recent<Point, 64> points_;
  Point burst_;  // the one that may go on
  std::int64_t burst_began_us_ = 0;
  std::uint64_t burst_began_bytes_ = 0;
  double burst_bytes_ = 0.0;  // the largest of late
  Recent<CardPoint, 32> card_;
  double card_speed_ = 0.0;
  double framing_ = 1.05;  // bytes that the card counts for a byte of payload

  std::uint64_t queued_bytes_ = 0;
  std::int64_t queued_since_us_ = 0;  // of the oldest byte, while there are any
  std::uint64_t done_bytes_ = 0;
  std::size_t write_bytes_ = 0;  // the last one done
  std::int64_t mark_us_ = 0;     // until when busy_us_ is counted
  std::int64_t busy_us_ = 0;
  std::int64_t flushed_busy_us_ = -1;  // busy_us_ at the last flush

  double round_trip_us_ = 0.0;
  double round_trip_least_us_ = 0.0;

  // As last measured, with the link as the limit.
  double ours_ = 0.0;
  double other_ = 0.0;
  std::int64_t measured_us_ = 0;
  // The most that was ours, of this period and the one before.
  double most_ours_ = 0.0;
  double most_ours_before_ = 0.0;
  std::int64_t most_since_us_ = 0;
};

}  // namespace sluice::comm
