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

}  // namespace

void CardTraffic::add(const NicSample& sample, std::int64_t busy_us, double left_bytes,
                      std::int64_t now_us) {
  // Counters that run backwards are another card's, or a driver's that was loaded again.
  if (!points_.empty() && sample.sent_bytes < points_.back().sent_bytes) points_.clear();
  points_.push({now_us, busy_us, sample.sent_bytes, left_bytes});
  speed_ = sample.speed_bytes_per_s;
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
  if (points_.size() < 2 || now_us - points_.back().at_us > kStaleUs) return {};
  const Point* base = nullptr;
  return rate_until(points_.back(), base);
}

double CardTraffic::others(std::int64_t now_us) const {
  if (points_.size() < 2 || now_us - points_.back().at_us > kStaleUs) return 0.0;
  const Point* base = nullptr;
  const Rate now = rate_until(points_.back(), base);
  const Rate before = rate_until(*base, base);
  return std::min(others_of(now.all, now.ours), others_of(before.all, before.ours));
}

void CardTraffic::learn_framing(double ours, double all) {
  const double framing = framing_ * all / ours;
  if (framing < kFramingLeast || framing > kFramingMost) return;
  framing_ = std::max(framing_ + (framing - framing_) / 8, 1.0);
}

double CardTraffic::others_of(double all, double ours) {
  return all - ours > kOtherLeast * all ? all - ours : 0.0;
}

}  // namespace sluice::comm
