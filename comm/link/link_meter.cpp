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
// look faster than any link. Three things bring this down: the card's counter of bytes that left,
// while ours waited all the time; the flush at the end, which waits for the other side; and, where
// there is neither, that less than 100 ms prove nothing.
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
// The card's counters, and our goodput, are taken over this much of the clock.
constexpr std::int64_t kCardWindowUs = 300'000;
constexpr std::int64_t kGoodputWindowUs = 500'000;
// Counters that were not read for so long say nothing about now.
constexpr std::int64_t kCardStaleUs = 1'000'000;

// The least time on the link that a rate is believed from: by writes alone; with the card as
// witness, or a flush; and behind a flush, how many round trips.
constexpr std::int64_t kAloneUs = 100'000;
constexpr std::int64_t kWitnessedUs = 20'000;
constexpr double kRoundTripsLeast = 4.0;
constexpr double kFlushedLeastUs = 200.0;

// What frames cost: 1514 bytes for 1448 of payload are 1.046, jumbo frames and cards that cut
// segments themselves less. Above 1.1 it is not framing, it is others.
constexpr double kFramingLeast = 0.97;
constexpr double kFramingMost = 1.1;
constexpr double kOtherLeast = 0.05;  // of the card's rate: below is what timing errs by

// How long the largest rate that was ours says what the way alone can carry.
constexpr std::int64_t kMostPeriodUs = 15'000'000;

double per_second(std::uint64_t bytes, std::int64_t us) {
  return us > 0 ? static_cast<double>(bytes) * kUsPerSecond / static_cast<double>(us) : 0.0;
}

// What is left of the card's traffic when ours is taken away.
double others_of(double card, double ours) {
  return card - ours > kOtherLeast * card ? card - ours : 0.0;
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
  done_bytes_ += bytes;
  advance(posted_us, now_us);
}

void LinkMeter::flushed(std::int64_t posted_us, std::int64_t now_us) {
  if (points_.empty()) return;
  // The way back of the answer is no time on the link. It is bounded, as a round trip of messages
  // that themselves queued is too long.
  const std::int64_t waited = now_us - std::max(mark_us_, posted_us);
  const double answer = std::min(round_trip_least_us_, static_cast<double>(waited) / 4);
  if (waited > 0 && queued_bytes_ == 0) busy_us_ -= static_cast<std::int64_t>(answer);
  advance(posted_us, now_us);
  flushed_busy_us_ = busy_us_;
  close_burst(now_us);
}

void LinkMeter::advance(std::int64_t posted_us, std::int64_t now_us) {
  if (points_.empty()) {
    mark_us_ = burst_began_us_ = posted_us;
    burst_ = {posted_us, 0, 0};
    points_.push(burst_);
  }
  // A stream of writes that end one by one is cut anywhere.
  if (now_us - burst_.at_us >= kBurstPauseUs || burst_.at_us - burst_began_us_ >= kPointUs) {
    close_burst(now_us);
  }
  busy_us_ += std::max<std::int64_t>(now_us - std::max(mark_us_, posted_us), 0);
  mark_us_ = std::max(mark_us_, now_us);
  burst_ = {mark_us_, busy_us_, done_bytes_};
}

void LinkMeter::close_burst(std::int64_t now_us) {
  const auto bytes = static_cast<double>(burst_.bytes - burst_began_bytes_);
  burst_bytes_ = std::max(bytes, burst_bytes_ * kBurstFading);
  burst_began_us_ = now_us;
  burst_began_bytes_ = burst_.bytes;
  const bool is_near = points_.size() >= 2 && burst_.at_us - points_.back().at_us < kPointUs &&
                       points_.back().at_us - points_[points_.size() - 2].at_us < kPointUs;
  if (is_near) {
    points_.back() = burst_;
  } else {
    points_.push(burst_);
  }
  measure(now_us);
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

std::int64_t LinkMeter::busy_until(std::int64_t now_us) const {
  if (queued_bytes_ == 0) return busy_us_;
  return busy_us_ + std::max<std::int64_t>(now_us - std::max(mark_us_, queued_since_us_), 0);
}

void LinkMeter::nic(const NicSample& sample, std::int64_t now_us) {
  // Counters that run backwards are another card's, or a driver's that was loaded again.
  if (!card_.empty() && sample.sent_bytes < card_.back().sent_bytes) card_.clear();
  card_.push({now_us, busy_until(now_us), sample.sent_bytes, done_bytes_});
  card_speed_ = sample.speed_bytes_per_s;
  if (queued_bytes_ > 0) measure(now_us);
  raise(now_us);
}

LinkMeter::CardRate LinkMeter::card_rate(std::int64_t now_us) const {
  if (card_.size() < 2 || now_us - card_.back().at_us > kCardStaleUs) return {};
  const CardPoint& last = card_.back();
  const CardPoint& base = card_.newest(
      [&](const CardPoint& point) { return last.at_us - point.at_us >= kCardWindowUs; });
  const std::int64_t took_us = last.at_us - base.at_us;
  CardRate rate;
  rate.all = per_second(last.sent_bytes - base.sent_bytes, took_us) / framing_;
  rate.ours = per_second(last.done_bytes - base.done_bytes, took_us);
  rate.is_busy = (last.busy_us - base.busy_us) * 10 >= took_us * 9;
  return rate;
}

void LinkMeter::measure(std::int64_t now_us) {
  if (points_.size() < 2) return;
  const Point& last = points_.back();
  const Point& base = points_.newest([&](const Point& point) {
    return last.busy_us - point.busy_us >= kWindowBusyUs ||
           last.at_us - point.at_us >= kWindowWallUs;
  });
  const std::int64_t busy_us = last.busy_us - base.busy_us;
  const double ours = per_second(last.bytes - base.bytes, busy_us);
  if (ours == 0.0) return;
  const CardRate card = card_rate(now_us);
  if (card.is_busy && busy_us >= kWitnessedUs) {
    // Alone on the card, the two say the same but for the framing.
    const double framing = framing_ * card.all / ours;
    if (framing > kFramingLeast && framing < kFramingMost) {
      framing_ = std::max(framing_ + (framing - framing_) / 8, 1.0);
    }
    keep(std::min(ours, card.all), others_of(card.all, ours), now_us);
    return;
  }
  // Behind a flush all that was counted has arrived, but for a little that came after it.
  const double flushed_least_us = std::min<double>(
      std::max(kRoundTripsLeast * round_trip_least_us_, kFlushedLeastUs), kWitnessedUs);
  const bool is_flushed = flushed_busy_us_ > base.busy_us &&
                          (last.busy_us - flushed_busy_us_) * 5 <= busy_us &&
                          static_cast<double>(busy_us) >= flushed_least_us;
  if (is_flushed || busy_us >= kAloneUs) {
    keep(ours, others_of(card.all, card.ours), now_us);
  }
}

// What ours were too few or too short to show that the link cannot do more; but what has left, with
// nobody else's on the card, it can do.
void LinkMeter::raise(std::int64_t now_us) {
  const CardRate card = card_rate(now_us);
  const double proven = std::min(card.all, card.ours);
  if (proven > ours_ && others_of(card.all, card.ours) == 0.0) keep(proven, 0.0, now_us);
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
  if (points_.empty()) return 0.0;
  const Point& base =
      points_.newest([&](const Point& point) { return now_us - point.at_us >= kGoodputWindowUs; });
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
  link.goodput_bytes_per_s = goodput(now_us);
  const CardRate card = card_rate(now_us);
  const double ours = card.is_busy ? ours_ : card.ours;
  link.other_bytes_per_s = others_of(card.all, ours);
  const double used = link.other_bytes_per_s + std::max(ours, link.goodput_bytes_per_s);
  if (measured_us_ == 0) {
    if (card_speed_ > 0.0) link.utilization = std::min(used / card_speed_, 1.0);
    return link;
  }
  // With others beside us, the sum is the way's capacity only if the card is its narrowest part:
  // no more than was ours when it was.
  link.capacity_bytes_per_s =
      std::min(ours_ + other_, std::max({ours_, most_ours_, most_ours_before_}));
  if (queued_bytes_ == 0) {
    link.free_bytes_per_s = expected_when_idle(link.capacity_bytes_per_s, link.other_bytes_per_s);
  } else {
    link.free_bytes_per_s = ours_;
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
