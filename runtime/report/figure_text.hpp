// SPDX-License-Identifier: Apache-2.0
// Figures as text: as many digits as their interval resolves, and not one more.
#pragma once

#include <string>
#include <string_view>

#include "runtime/evaluation/statistics.hpp"

namespace sluice::runtime {

// `factor` scales (100: percent); a signed one says "+" where it is not negative.
struct FigureStyle {
  double factor = 1.0;
  bool is_signed = false;
};

inline constexpr const char* kNoFigure = "\xE2\x80\x93";  // a dash: there is none

// With `decimals` digits behind the point; a value that is none is kNoFigure.
std::string fixed_text(double value, int decimals, bool is_signed = false);
// The mean alone, rounded as if the interval stood beside it.
std::string mean_text(const Interval& interval, FigureStyle style = {});
// "84 [70, 98]": an interval is 2 to 19 units of its last digit to each side. Without a width, or
// without ends, the mean alone.
std::string interval_text(const Interval& interval, FigureStyle style = {});
// "5.66", "20.2".
std::string ratio_text(double ratio);

// Of x as x - 1: relative figures as changes.
Interval change_of(const Interval& relative);

// Any text within a line or a table's cell of Markdown, meaning nothing but itself.
std::string markdown_text(std::string_view text);

}  // namespace sluice::runtime
