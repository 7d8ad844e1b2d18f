// SPDX-License-Identifier: Apache-2.0
// What one link can carry, as seen from the sender: fed by every transfer's own timing, by the
// queue before the link, by round trips, and by the network card's counters. Pure arithmetic: no
// clock, no thread, no socket; time comes with each call, in microseconds on the transport's clock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "comm/link/card_traffic.hpp"
#include "comm/link/recent.hpp"

namespace sluice::comm {

struct LinkEstimate {
  double capacity_bytes_per_s = 0.0;  // payload, when the link is the limit; 0: not known yet
  double free_bytes_per_s = 0.0;      // what a transfer that starts now can expect; 0: not known
  double goodput_bytes_per_s = 0.0;   // ours, over the last half second
  double other_bytes_per_s = 0.0;     // others' through the same card; 0 where it is not counted
  double utilization = 0.0;           // of the capacity, by all traffic seen: 0 to 1
  std::uint64_t queued_bytes = 0;     // handed to the link and not yet through it
  std::int64_t round_trip_us = 0;     // smoothed, of small messages; 0: not known
  std::int64_t measured_us = 0;       // when the capacity was last measured; 0: never
  bool has_card = false;              // a network card counts what goes this way
};

class LinkMeter {
 public:
  // Bytes that now wait for this link alone (not for a grant of the target), or were given up.
  void queued(std::size_t bytes, std::int64_t now_us);
  void dropped(std::size_t bytes, std::int64_t now_us);
  // A write of queued bytes was posted at `posted_us`, and is done now.
  void completed(std::size_t bytes, std::int64_t posted_us, std::int64_t now_us);
  // A flush is posted now, behind writes of which so many bytes are not done; and it is done: they
  // have arrived. Not asked for, but it is what makes short transfers count, whose writes are done
  // when a socket's buffer has them. One flush at a time.
  void flushing(std::size_t not_done_bytes, std::int64_t now_us);
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
  // What arrived between two flushes, and how long something was on the link for it.
  struct Arrival {
    std::int64_t at_us = 0;
    std::int64_t busy_us = 0;
    std::uint64_t bytes = 0;
  };

  void unqueue(std::size_t bytes);
  void advance(std::int64_t posted_us, std::int64_t now_us);
  void close_burst(std::int64_t now_us);
  bool is_waiting(std::int64_t now_us) const;
  std::int64_t busy_until(std::int64_t now_us) const;
  void take_arrival(std::uint64_t bytes, std::int64_t now_us);
  void measure_arrivals(std::int64_t now_us);
  bool is_slow_arrival() const;
  void measure_running(std::int64_t now_us);
  void keep(double ours, double other, std::int64_t now_us);
  double goodput(std::int64_t now_us) const;
  double expected_when_idle(double capacity, double other) const;

  // Writes end in bursts, as often as a loop comes round or a socket has room again; a rate is only
  // right between the ends of two.
  Recent<Point, 64> bursts_;
  Point burst_;  // the one that may go on
  std::int64_t burst_began_us_ = 0;
  std::uint64_t burst_began_bytes_ = 0;
  double burst_bytes_ = 0.0;  // the largest of late

  Recent<Arrival, 32> arrivals_;
  Point arrived_;                  // at the last of them
  std::uint64_t large_bytes_ = 0;  // the largest of late, and when there was one like it
  std::int64_t large_us_ = 0;
  std::int64_t arrived_posted_us_ = 0;  // busy_us_ when its flush was posted
  // Of the flush that is under way: what it is for, of all that was ever done, and busy_us_ then.
  std::uint64_t flushing_bytes_ = 0;
  std::int64_t flushing_busy_us_ = 0;
  bool has_flushes_ = false;
  bool is_flushed_ = false;  // all that was ever done has arrived
  Point first_;  // the end of the first burst since it had, which a socket may have swallowed
  bool has_first_ = false;

  CardTraffic card_;

  std::uint64_t queued_bytes_ = 0;
  std::int64_t queued_since_us_ = 0;  // while there are any
  std::uint64_t done_bytes_ = 0;
  std::int64_t mark_us_ = 0;  // until when busy_us_ is counted
  std::int64_t busy_us_ = 0;

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
