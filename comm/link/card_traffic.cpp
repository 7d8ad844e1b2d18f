// SPDX-License-Identifier: Apache-2.0
#include "comm/link/card_traffic.hpp"

#include <algorithm>

namespace sluice::comm {
namespace {

constexpr double kUsPerSecond = 1e6;

// Rates are taken over this much of the clock; older counters say nothing about now.
constexpr std::int64_t kWindowUs = 300'000;
constexpr std::int64_t kStaleUs = 1'000'000;

// What frames cost: 1514 bytes for 1448 of payload are 1.046, jumbo frames and cards that cut
// segments themselves less. Above 1.1 it is not framing, it is others.
constexpr double kFramingLeast = 0.97;
constexpr double kFramingMost = 1.1;
constexpr double kOtherLeast = 0.05;  // of the card's rate: below is what timing errs by

// A card carries ours when it has sent nearly as much, and does not when it has sent less than
// half. The least that is judged is more than what else goes there; without a flush, more than a
// socket may hold back.
constexpr double kJudgedLeast = 5e5;
constexpr double kJudgedUnflushedLeast = 16e6;
constexpr double kCarriedShare = 0.9;
constexpr double kMissedShare = 0.5;

}  // namespace

void CardTraffic::add(const NicSample& sample, const Ours& ours, std::int64_t now_us) {
  // Counters that run backwards are another card's, or a driver's that was loaded again.
  if (!points_.empty() && sample.sent_bytes < points_.back().sent_bytes) points_.clear();
  Point point{now_us, ours.busy_us, sample.sent_bytes, static_cast<double>(ours.done_bytes)};
  if (points_.empty()) {
    judged_ = point;
    judged_done_bytes_ = ours.done_bytes;
    was_flushed_ = false;
  } else if (!ours.is_flushed) {
    const double left = points_.back().left_bytes + left_since(points_.back(), point, ours);
    point.left_bytes = std::min(left, point.left_bytes);
  }
  points_.push(point);
  speed_ = sample.speed_bytes_per_s;
  judge(point, ours);
  if (ours.is_flushed) calibrate(point, ours);
}

// How many of ours have left is known behind a flush only. Before, all that the card sends is ours
// while there are any to send; beside others, what our rate makes of it.
double CardTraffic::left_since(const Point& last, const Point& now, const Ours& ours) const {
  const double sent = static_cast<double>(now.sent_bytes - last.sent_bytes) / framing_;
  if (ours.bytes_per_s == 0.0 || others(now.at_us) == 0.0) return sent;
  const auto took_us = static_cast<double>(now.at_us - last.at_us);
  return std::min(sent, ours.bytes_per_s * took_us / kUsPerSecond);
}

void CardTraffic::judge(const Point& point, const Ours& ours) {
  const auto sent = static_cast<double>(point.sent_bytes - judged_.sent_bytes);
  const auto done = static_cast<double>(ours.done_bytes - judged_done_bytes_);
  if (done >= kJudgedLeast && sent >= kCarriedShare * done) {
    carries_ours_ = true;
  } else if (done >= (ours.is_flushed ? kJudgedLeast : kJudgedUnflushedLeast)) {
    if (sent < kMissedShare * done) carries_ours_ = false;
  } else if (done > 0.0) {
    return;
  }
  judged_ = point;  // also what others sent alone
  judged_done_bytes_ = ours.done_bytes;
}

void CardTraffic::calibrate(const Point& point, const Ours& ours) {
  const double done = static_cast<double>(ours.done_bytes) - flushed_.left_bytes;
  if (was_flushed_ && done >= kJudgedLeast && point.sent_bytes > flushed_.sent_bytes) {
    const double framing = static_cast<double>(point.sent_bytes - flushed_.sent_bytes) / done;
    if (framing > kFramingLeast && framing < kFramingMost) framing_ += (framing - framing_) / 2;
  }
  flushed_ = point;
  was_flushed_ = true;
}

CardTraffic::Rate CardTraffic::rate_until(const Point& last, const Point*& base) const {
  base = &points_.newest([&](const Point& point) { return last.at_us - point.at_us >= kWindowUs; });
  Rate rate;
  const auto took_us = static_cast<double>(last.at_us - base->at_us);
  if (took_us <= 0.0) return rate;
  const auto sent = static_cast<double>(last.sent_bytes - base->sent_bytes);
  rate.all = sent * kUsPerSecond / took_us / framing_;
  rate.ours = (last.left_bytes - base->left_bytes) * kUsPerSecond / took_us;
  rate.is_busy = static_cast<double>(last.busy_us - base->busy_us) >= 0.9 * took_us;
  return rate;
}

CardTraffic::Rate CardTraffic::rate(std::int64_t now_us) const {
  if (!carries_ours_ || points_.size() < 2 || now_us - points_.back().at_us > kStaleUs) return {};
  const Point* base = nullptr;
  return rate_until(points_.back(), base);
}

double CardTraffic::others(std::int64_t now_us) const {
  if (!carries_ours_ || points_.size() < 2 || now_us - points_.back().at_us > kStaleUs) return 0.0;
  const Point* base = nullptr;
  const Rate now = rate_until(points_.back(), base);
  const Rate before = rate_until(*base, base);
  return std::min(others_of(now.all, now.ours), others_of(before.all, before.ours));
}

void CardTraffic::learn_framing(double ours, double all) {
  const double framing = framing_ * all / ours;
  if (was_flushed_ || framing < kFramingLeast || framing > kFramingMost) return;
  framing_ = std::max(framing_ + (framing - framing_) / 8, 1.0);
}

double CardTraffic::others_of(double all, double ours) {
  return all - ours > kOtherLeast * all ? all - ours : 0.0;
}

}  // namespace sluice::comm
