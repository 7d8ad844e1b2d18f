// SPDX-License-Identifier: Apache-2.0
// Whose bytes a network card has sent of late: everybody's by its counters, ours by what the meter
// knows of them.
#pragma once

#include <cstdint>

#include "comm/link/recent.hpp"

namespace sluice::comm {

// What the network card counted, of everybody's traffic through it.
struct NicSample {
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  double speed_bytes_per_s = 0.0;  // nominal, as the driver says; 0: it does not say
};

// Rates are of payload, in bytes per second.
class CardTraffic {
 public:
  // Of ours, up to now.
  struct Ours {
    std::int64_t busy_us = 0;      // how long they have been before the link or on it
    std::uint64_t done_bytes = 0;  // how many the transport has sent, or a socket has swallowed
    bool is_flushed = false;       // all of them have arrived
    double bytes_per_s = 0.0;      // at which they leave when others do too; 0: not known
  };
  void add(const NicSample& sample, const Ours& ours, std::int64_t now_us);

  // Ours go through this card, by what it has counted. Until that is known, or if they do not, all
  // rates are 0: a link's lanes may well name a card that carries none of its bulk.
  bool carries_ours() const { return carries_ours_; }

  struct Rate {
    double all = 0.0;  // 0 too when the card has not been read
    double ours = 0.0;
    bool is_busy = false;  // ours waited all the time
  };
  // Over the last 0.3 s.
  Rate rate(std::int64_t now_us) const;
  // Others' alone, which was there in two such times: what is counted a little late is not.
  double others(std::int64_t now_us) const;

  // Ours were alone on the card at this rate: what the card counts above it is frames. It is
  // learned from flush to flush too, and better.
  void learn_framing(double ours, double all);

  double speed_bytes_per_s() const { return speed_; }
  // 0: never.
  std::int64_t read_us() const { return points_.empty() ? 0 : points_.back().at_us; }

  // What is left of `all` when ours is taken away.
  static double others_of(double all, double ours);

 private:
  struct Point {
    std::int64_t at_us = 0;
    std::int64_t busy_us = 0;
    std::uint64_t sent_bytes = 0;
    double left_bytes = 0.0;  // of ours
  };
  double left_since(const Point& last, const Point& now, const Ours& ours) const;
  void judge(const Point& point, const Ours& ours);
  void calibrate(const Point& point, const Ours& ours);
  // Of the time that ends with `last`, and where it began.
  Rate rate_until(const Point& last, const Point*& base) const;

  Recent<Point, 48> points_;
  bool carries_ours_ = false;
  Point judged_;  // the last time
  std::uint64_t judged_done_bytes_ = 0;
  Point flushed_;  // when all of ours had arrived
  bool was_flushed_ = false;
  double speed_ = 0.0;
  double framing_ = 1.05;  // bytes that the card counts for a byte of payload
};

}  // namespace sluice::comm
