// SPDX-License-Identifier: Apache-2.0
// Where values lie along an axis, and the round numbers that are written beside it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/report/chart.hpp"

namespace sluice::runtime {

// As few digits as tell it: "0.01", "20", "1e-07".
std::string axis_label(double value);

class AxisScale {
 public:
  // Over all finite values, with a margin; a linear axis that has 0 near ends there. On a
  // logarithmic one, what is not positive lies at the low end.
  AxisScale(std::span<const double> values, ChartScale scale);

  double share(double value) const;  // 0: the low end; 1: the high end; never outside
  const std::vector<double>& ticks() const { return ticks_; }

 private:
  void span_linear(double low, double high);
  void span_logarithmic(double low, double high);
  void span_signed(double low, double high);

  ChartScale scale_;
  double low_ = 0.0;  // what the scale makes of a value
  double high_ = 1.0;
  std::vector<double> ticks_;
};

}  // namespace sluice::runtime
