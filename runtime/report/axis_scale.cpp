// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/axis_scale.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace sluice::runtime {
namespace {

constexpr double kMargin = 0.04;      // of the axis, on each side
constexpr double kSteps = 6.0;        // about as many as an axis of 400 pixels has room for
constexpr double kDecadesOnly = 2.7;  // from so many decades on, only their ends are written

double signed_log(double value) { return std::copysign(std::log10(1.0 + std::abs(value)), value); }

double round_step(double span) {
  const double power = std::pow(10.0, std::floor(std::log10(span / kSteps)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (span / (factor * power) <= kSteps) return factor * power;
  }
  return 10.0 * power;
}

}  // namespace

std::string axis_label(double value) {
  std::array<char, 32> buffer;
  // Six digits: a tick is a sum of steps, and the seventh would show what they were rounded to.
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::general, 6);
  return {buffer.data(), end.ptr};
}

AxisScale::AxisScale(std::span<const double> values, ChartScale scale) : scale_(scale) {
  bool has_any = false;
  double low = scale == ChartScale::kLog ? 1.0 : 0.0;
  double high = low;
  for (const double value : values) {
    if (!std::isfinite(value) || (scale == ChartScale::kLog && value <= 0.0)) continue;
    low = has_any ? std::min(low, value) : value;
    high = has_any ? std::max(high, value) : value;
    has_any = true;
  }
  switch (scale) {
    case ChartScale::kLinear:
      span_linear(low, high);
      break;
    case ChartScale::kLog:
      span_logarithmic(low, high);
      break;
    case ChartScale::kSignedLog:
      span_signed(low, high);
      break;
  }
}

void AxisScale::span_linear(double low, double high) {
  if (low == high) {
    const double room = low == 0.0 ? 1.0 : std::abs(low) / 2.0;
    low -= room;
    high += room;
  }
  const double step = round_step(high - low);
  low_ = std::floor(low / step) * step;
  high_ = std::ceil(high / step) * step;
  const auto count = static_cast<int>(std::lround((high_ - low_) / step));
  for (int i = 0; i <= count; ++i) {
    const double tick = low_ + i * step;
    ticks_.push_back(std::abs(tick) < step / 1e6 ? 0.0 : tick);
  }
}

void AxisScale::span_logarithmic(double low, double high) {
  low_ = std::log10(low);
  high_ = std::log10(high);
  if (high_ - low_ < 0.3) {  // a factor of two: less would be noise, stretched
    const double middle = (low_ + high_) / 2.0;
    low_ = middle - 0.15;
    high_ = middle + 0.15;
  }
  const double margin = kMargin * (high_ - low_);
  low_ -= margin;
  high_ += margin;
  const auto add = [&](std::span<const double> factors) {
    ticks_.clear();
    for (double decade = std::floor(low_); decade <= high_; decade += 1.0) {
      for (const double factor : factors) {
        const double tick = factor * std::pow(10.0, decade);
        if (std::log10(tick) >= low_ && std::log10(tick) <= high_) ticks_.push_back(tick);
      }
    }
  };
  if (high_ - low_ >= kDecadesOnly) return add(std::array{1.0});
  add(std::array{1.0, 2.0, 5.0});
  if (ticks_.size() < 4) add(std::array{1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0});
}

void AxisScale::span_signed(double low, double high) {
  low_ = signed_log(std::min(low, -1.0));
  high_ = signed_log(std::max(high, 1.0));
  const double margin = kMargin * (high_ - low_);
  low_ -= margin;
  high_ += margin;
  for (const double factors : {10.0, 3.0}) {
    ticks_ = {0.0};
    // Threes lie half way between tens.
    for (double tick = 1.0; signed_log(tick) <= std::max(-low_, high_); tick *= 10.0) {
      for (const double value : {tick, tick * factors}) {
        if (value == tick * 10.0) continue;
        if (signed_log(value) <= high_) ticks_.push_back(value);
        if (signed_log(-value) >= low_) ticks_.push_back(-value);
      }
    }
    if (ticks_.size() >= kSteps) break;
  }
  std::sort(ticks_.begin(), ticks_.end());
}

double AxisScale::share(double value) const {
  if (std::isnan(value)) return 0.0;
  if (scale_ == ChartScale::kSignedLog) value = signed_log(value);
  if (scale_ == ChartScale::kLog) {
    if (value <= 0.0) return 0.0;
    value = std::log10(value);
  }
  return std::clamp((value - low_) / (high_ - low_), 0.0, 1.0);
}

}  // namespace sluice::runtime
