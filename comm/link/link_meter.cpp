// SPDX-License-Identifier: Apache-2.0
// The estimator.
//
// Our rate is bytes done over time that something of ours was on the link, between two instants at
// which writes ended; never counted is the time in which nothing was posted. This is the delivery
// rate sample of BBR (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 2016;
// IETF draft-cheng-iccrg-delivery-rate-estimation), whose application-limited samples are these
// gaps. BBR keeps the largest sample of some round trips, since its samples are short; here a
// sample spans 400 ms, so that it is right by itself and a fall shows as soon as a rise. An average
// with exponential forgetting, which Mooncake's TENT keeps per path, would be within 10 % only
// after several time constants when a rate falls to a twentieth.
//
// A write over sockets is done when the kernel has taken it, so that a transfer's first megabytes
// look faster than any link, and later ones are done in bursts as the socket has room again. So who
// flushes is measured by what has arrived from flush to flush. Where that took long it is the rate;
// where it was short, late answers and slow starts make it too low, and the best of some is taken,
// as BBR does; of many the second best, since an answer that came late, where the target's
// processor was busy, makes the next one look early. While a flush is far away, and for who does
// not flush, the rate is that between the ends of bursts, the first of a transfer left out, with
// the card's counter of bytes that left as witness; without a card, less than 100 ms of it prove
// nothing.
#include "comm/link/link_meter.hpp"

#include <algorithm>
#include <cmath>

namespace sluice::comm {
namespace {

constexpr double kUsPerSecond = 1e6;

// Points are about this far apart at least, so that those kept span a second.
constexpr std::int64_t kPointUs = 20'000;
// Writes that end with no longer pause are one burst; how fast a large one is forgotten.
constexpr std::int64_t kBurstPauseUs = 2'000;
constexpr double kBurstFading = 0.8;
// A rate is taken over this much time on the link, or over this much of the clock.
constexpr std::int64_t kWindowBusyUs = 400'000;
constexpr std::int64_t kWindowWallUs = 800'000;
constexpr std::int64_t kGoodputWindowUs = 500'000;

// The least time on the link that a rate is believed from: by writes alone; with the card as
// witness; and behind a flush, of which it must be some round trips.
constexpr std::int64_t kAloneUs = 100'000;
constexpr std::int64_t kWitnessedUs = 20'000;
constexpr double kArrivalLeastUs = 200.0;
constexpr double kRoundTripsLeast = 4.0;
// Arrivals that took longer are rates by themselves. Of shorter ones, it is the best of so much of
// the clock, and of this many at least.
constexpr std::int64_t kLongArrivalUs = 100'000;
constexpr std::int64_t kArrivalsUs = 600'000;
// For how long a large arrival makes small ones uninteresting.
constexpr std::int64_t kLargeUs = 30'000'000;
constexpr std::size_t kShortArrivals = 5;
// Without an arrival for so long, bursts tell more.
constexpr std::int64_t kNoArrivalUs = 200'000;
// A flush that has not come by then may have been lost with its peer.
constexpr std::int64_t kFlushLateUs = 2'000'000;

// How long the largest rate that was ours says what the way alone can carry.
constexpr std::int64_t kMostPeriodUs = 15'000'000;

double per_second(std::uint64_t bytes, std::int64_t us) {
  return us > 0 ? static_cast<double>(bytes) * kUsPerSecond / static_cast<double>(us) : 0.0;
}

}  // namespace

void LinkMeter::queued(std::size_t bytes, std::int64_t now_us) {
  if (queued_bytes_ == 0) queued_since_us_ = now_us;
  queued_bytes_ += bytes;
}

void LinkMeter::unqueue(std::size_t bytes) {
  queued_bytes_ -= std::min<std::uint64_t>(bytes, queued_bytes_);
}

void LinkMeter::dropped(std::size_t bytes, std::int64_t /*now_us*/) { unqueue(bytes); }

void LinkMeter::completed(std::size_t bytes, std::int64_t posted_us, std::int64_t now_us) {
  unqueue(bytes);
  advance(posted_us, now_us);
  done_bytes_ += bytes;
  burst_.bytes = done_bytes_;
  if (is_flushed_) has_first_ = false;
  is_flushed_ = false;
}

void LinkMeter::flushing(std::size_t not_done_bytes, std::int64_t now_us) {
  flushing_bytes_ = done_bytes_ + not_done_bytes;
  flushing_busy_us_ = busy_until(now_us);
}

void LinkMeter::flushed(std::int64_t posted_us, std::int64_t now_us) {
  if (bursts_.empty()) return;
  const bool is_all =
      queued_bytes_ == 0 && (flushing_bytes_ == 0 || flushing_bytes_ >= done_bytes_);
  const std::uint64_t bytes = is_all ? done_bytes_ : std::min(flushing_bytes_, done_bytes_);
  // The way back of the answer is no time on the link, once for each time that the link falls idle.
  // It is bounded, as a round trip of messages that themselves queued is too long.
  const std::int64_t waited_us = now_us - mark_us_;
  const double answer = std::min(round_trip_least_us_, static_cast<double>(waited_us) / 4);
  if (waited_us > 0 && is_all) busy_us_ -= static_cast<std::int64_t>(answer);
  advance(posted_us, now_us);
  has_flushes_ = true;
  if (is_all && !is_flushed_) {
    is_flushed_ = true;
    close_burst(now_us);
  }
  take_arrival(bytes, now_us);
  flushing_bytes_ = 0;
}

void LinkMeter::take_arrival(std::uint64_t bytes, std::int64_t now_us) {
  // An answer that came late makes the next one look early: as BBR does, the longer one counts of
  // the times between two answers and between what they answer.
  std::int64_t busy_us = busy_us_ - arrived_.busy_us;
  if (flushing_bytes_ != 0) busy_us = std::max(busy_us, flushing_busy_us_ - arrived_posted_us_);
  const double least_us = std::min<double>(
      std::max(kRoundTripsLeast * round_trip_least_us_, kArrivalLeastUs), kWitnessedUs);
  if (bytes <= arrived_.bytes || static_cast<double>(busy_us) < least_us) return;
  // A small one may have gone through a shaper's or a switch's buffer at once, or waited longest
  // for its answer: it says nothing about large ones, unless others follow it without a pause.
  if (now_us - large_us_ > kLargeUs) large_bytes_ = 0;
  const Arrival arrival{now_us, busy_us, bytes - arrived_.bytes};
  const bool is_small = arrival.bytes < large_bytes_ / 4 * 3 && busy_us < kWitnessedUs;
  if (is_small && !is_flushed_) return;
  arrived_ = {now_us, busy_us_, bytes};
  // Where all has arrived the link falls idle: what comes next begins then, not when this one was
  // asked for.
  arrived_posted_us_ = flushing_bytes_ != 0 && !is_flushed_ ? flushing_busy_us_ : busy_us_;
  if (is_small) return;
  large_bytes_ = std::max(large_bytes_, arrival.bytes);
  large_us_ = now_us;
  arrivals_.push(arrival);
  measure_arrivals(now_us);
}

void LinkMeter::advance(std::int64_t posted_us, std::int64_t now_us) {
  if (bursts_.empty()) {
    mark_us_ = burst_began_us_ = posted_us;
    burst_ = {posted_us, 0, 0};
    bursts_.push(burst_);
    arrived_ = burst_;
  }
  // A stream of writes that end one by one is cut anywhere.
  if (now_us - burst_.at_us >= kBurstPauseUs || burst_.at_us - burst_began_us_ >= kPointUs) {
    close_burst(now_us);
  }
  // What is done and has not arrived is still on the link, whatever else was posted when.
  const bool is_carrying = has_flushes_ && !is_flushed_;
  const std::int64_t since_us = is_carrying ? mark_us_ : std::max(mark_us_, posted_us);
  busy_us_ += std::max<std::int64_t>(now_us - since_us, 0);
  mark_us_ = std::max(mark_us_, now_us);
  burst_ = {mark_us_, busy_us_, done_bytes_};
}

void LinkMeter::close_burst(std::int64_t now_us) {
  const auto bytes = static_cast<double>(burst_.bytes - burst_began_bytes_);
  burst_bytes_ = std::max(bytes, burst_bytes_ * kBurstFading);
  burst_began_us_ = now_us;
  burst_began_bytes_ = burst_.bytes;
  const bool is_near = bursts_.size() >= 2 && burst_.at_us - bursts_.back().at_us < kPointUs &&
                       bursts_.back().at_us - bursts_[bursts_.size() - 2].at_us < kPointUs;
  if (is_near) {
    bursts_.back() = burst_;
  } else {
    bursts_.push(burst_);
  }
  if (!has_first_ && bytes > 0.0) {
    first_ = burst_;
    has_first_ = true;
  }
  if (!is_flushed_) measure_running(now_us);
}

void LinkMeter::round_trip(std::int64_t took_us) {
  const auto took = static_cast<double>(std::max<std::int64_t>(took_us, 0));
  if (round_trip_us_ == 0.0) {
    round_trip_us_ = round_trip_least_us_ = took;
    return;
  }
  round_trip_us_ += (took - round_trip_us_) / 8;  // as TCP smooths it: RFC 6298, section 2
  // The least, which forgets slowly that the way was once shorter.
  round_trip_least_us_ = std::min(took, round_trip_least_us_ + (took - round_trip_least_us_) / 256);
}

// Ours is before the link or on it: also what is done, while its flush is awaited.
bool LinkMeter::is_waiting(std::int64_t now_us) const {
  return queued_bytes_ != 0 || (has_flushes_ && !is_flushed_ && now_us - mark_us_ < kFlushLateUs);
}

std::int64_t LinkMeter::busy_until(std::int64_t now_us) const {
  if (!is_waiting(now_us)) return busy_us_;
  const bool is_new = is_flushed_ || !has_flushes_;  // since it was queued, not longer
  const std::int64_t since_us = is_new ? std::max(mark_us_, queued_since_us_) : mark_us_;
  return busy_us_ + std::max<std::int64_t>(now_us - since_us, 0);
}

void LinkMeter::nic(const NicSample& sample, std::int64_t now_us) {
  card_.add(sample, {busy_until(now_us), done_bytes_, is_flushed_, ours_}, now_us);
  if (is_waiting(now_us)) measure_running(now_us);
  // Without flushes, a little that was done proves nothing; but what has left, and is not others',
  // the link can carry.
  const CardTraffic::Rate seen = card_.rate(now_us);
  if (!has_flushes_ && seen.ours > 0.0 && std::min(seen.all, seen.ours) > ours_ &&
      CardTraffic::others_of(seen.all, seen.ours) == 0.0) {
    keep(std::min(seen.all, seen.ours), 0.0, now_us);
  }
}

// Whether the last arrival was slow and not just late: two in a row, or one that is long enough for
// any answer, or one through which ours waited for the card.
bool LinkMeter::is_slow_arrival() const {
  const Arrival& last = arrivals_.back();
  if (last.busy_us < kLongArrivalUs) return false;
  const bool is_second =
      arrivals_.size() >= 2 && arrivals_[arrivals_.size() - 2].busy_us >= kLongArrivalUs;
  return is_second || last.busy_us >= kWindowBusyUs || card_.rate(last.at_us).is_busy;
}

void LinkMeter::measure_arrivals(std::int64_t now_us) {
  const bool is_long = is_slow_arrival();
  double best = 0.0;
  double second = 0.0;
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  std::int64_t busy_us = 0;
  for (std::size_t i = 0; i < arrivals_.size(); ++i) {
    const Arrival& arrival = arrivals_[arrivals_.size() - 1 - i];
    const bool is_recent = now_us - arrival.at_us < kArrivalsUs;
    if (is_long && (busy_us >= kWindowBusyUs || arrival.busy_us < kLongArrivalUs)) break;
    if (i > 0 && !is_recent && (is_long || i >= kShortArrivals)) break;
    const double rate = per_second(arrival.bytes, arrival.busy_us);
    second = std::max(second, std::min(rate, best));
    best = std::max(best, rate);
    ++count;
    bytes += arrival.bytes;
    busy_us += arrival.busy_us;
  }
  const double shorts = count >= kShortArrivals ? second : best;
  keep(is_long ? per_second(bytes, busy_us) : shorts, card_.others(now_us), now_us);
}

void LinkMeter::measure_running(std::int64_t now_us) {
  if (bursts_.size() < 2) return;
  const Point& last = bursts_.back();
  Point base = bursts_.newest([&](const Point& point) {
    return last.busy_us - point.busy_us >= kWindowBusyUs ||
           last.at_us - point.at_us >= kWindowWallUs;
  });
  if (has_flushes_) {
    if (busy_until(now_us) - arrived_.busy_us < kNoArrivalUs) return;
    if (!has_first_ || first_.busy_us > base.busy_us) base = has_first_ ? first_ : last;
  }
  const std::int64_t busy_us = last.busy_us - base.busy_us;
  const double ours = per_second(last.bytes - base.bytes, busy_us);
  const CardTraffic::Rate card = card_.rate(now_us);
  if (ours > 0.0 && card.is_busy && busy_us >= kWitnessedUs) {
    // Alone on the card, the two say the same but for the framing.
    card_.learn_framing(ours, card.all);
    keep(std::min(ours, card.all), CardTraffic::others_of(card.all, ours), now_us);
  } else if (card.is_busy && card.all < ours_) {
    // Nothing was done for a while, but ours waited: all that left is the most that ours can be.
    keep(card.all, 0.0, now_us);
  } else if (ours > 0.0 && busy_us >= kAloneUs) {
    keep(ours, card_.others(now_us), now_us);
  }
}

void LinkMeter::keep(double ours, double other, std::int64_t now_us) {
  ours_ = ours;
  other_ = other;
  measured_us_ = now_us;
  if (now_us - most_since_us_ > kMostPeriodUs) {
    most_ours_before_ = now_us - most_since_us_ > 2 * kMostPeriodUs ? 0.0 : most_ours_;
    most_ours_ = 0.0;
    most_since_us_ = now_us;
  }
  most_ours_ = std::max(most_ours_, ours);
}

double LinkMeter::goodput(std::int64_t now_us) const {
  if (bursts_.empty()) return 0.0;
  const Point& base =
      bursts_.newest([&](const Point& point) { return now_us - point.at_us >= kGoodputWindowUs; });
  return per_second(done_bytes_ - base.bytes, std::max(now_us - base.at_us, kGoodputWindowUs));
}

// Others' traffic may have changed since ours was measured: what they left is ours, what they took
// is not; but those who have filled the card meanwhile make way again as they did, or as one stream
// does for another.
double LinkMeter::expected_when_idle(double capacity, double other) const {
  const double least = std::min(ours_, (ours_ + other_) / 2);
  return std::min(std::max(ours_ + other_ - other, least), capacity);
}

LinkEstimate LinkMeter::estimate(std::int64_t now_us) const {
  LinkEstimate link;
  link.queued_bytes = queued_bytes_;
  link.round_trip_us = std::llround(round_trip_us_);
  link.measured_us = measured_us_;
  link.has_card = card_.carries_ours();
  link.goodput_bytes_per_s = goodput(now_us);
  const CardTraffic::Rate card = card_.rate(now_us);
  link.other_bytes_per_s =
      card.is_busy ? CardTraffic::others_of(card.all, ours_) : card_.others(now_us);
  const double used = link.other_bytes_per_s + (card.is_busy ? ours_ : link.goodput_bytes_per_s);
  if (measured_us_ == 0) {
    if (card_.speed_bytes_per_s() > 0.0) {
      link.utilization = std::min(used / card_.speed_bytes_per_s(), 1.0);
    }
    return link;
  }
  // With others beside us, the sum is the way's capacity only if the card is its narrowest part:
  // no more than was ours when it was.
  link.capacity_bytes_per_s =
      std::min(ours_ + other_, std::max({ours_, most_ours_, most_ours_before_}));
  link.free_bytes_per_s =
      is_waiting(now_us) ? ours_
                         : expected_when_idle(link.capacity_bytes_per_s, link.other_bytes_per_s);
  if (queued_bytes_ != 0) {
    // The next burst is due: by its size, the link is slower now.
    const auto waited_us = static_cast<double>(now_us - std::max(mark_us_, queued_since_us_));
    const double bound = waited_us > 0.0 ? 2 * burst_bytes_ * kUsPerSecond / waited_us : 0.0;
    if (bound > 0.0 && bound < ours_) {
      link.free_bytes_per_s = bound;
      link.capacity_bytes_per_s = std::min(link.capacity_bytes_per_s, bound + other_);
    }
  }
  link.utilization = std::min(used / link.capacity_bytes_per_s, 1.0);
  return link;
}

}  // namespace sluice::comm
