// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/figure_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

namespace sluice::runtime {
namespace {

constexpr int kDecimalsMax = 6;
constexpr double kDigitsAlone = 3.0;  // of a figure without an interval

int decimals_of(double half_width, double mean) {
  if (half_width > 0.0) {
    return std::clamp(static_cast<int>(std::ceil(-std::log10(half_width / 2.0) - 1e-9)), 0,
                      kDecimalsMax);
  }
  if (mean == 0.0) return 0;
  const double leading = std::floor(std::log10(std::abs(mean)) + 1e-9);
  return std::clamp(static_cast<int>(kDigitsAlone - 1.0 - leading), 0, kDecimalsMax);
}

int decimals_of(const Interval& interval, double factor) {
  const double half_width = (interval.high - interval.low) / 2.0 * factor;
  return decimals_of(std::isfinite(half_width) ? half_width : 0.0, interval.mean * factor);
}

}  // namespace

std::string fixed_text(double value, int decimals, bool is_signed) {
  if (!std::isfinite(value)) return kNoFigure;
  std::array<char, 400> buffer;  // the largest double has 309 digits before the point
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::fixed, std::clamp(decimals, 0, kDecimalsMax));
  std::string_view digits(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  const bool is_zero = digits.find_first_of("123456789") == std::string_view::npos;
  if (is_zero && digits.starts_with('-')) digits.remove_prefix(1);
  std::string text;
  if (is_signed && !digits.starts_with('-')) text += '+';
  return text.append(digits);
}

std::string mean_text(const Interval& interval, FigureStyle style) {
  return fixed_text(interval.mean * style.factor, decimals_of(interval, style.factor),
                    style.is_signed);
}

std::string interval_text(const Interval& interval, FigureStyle style) {
  const std::string mean = mean_text(interval, style);
  if (!std::isfinite(interval.mean) || !std::isfinite(interval.low) ||
      !std::isfinite(interval.high) || interval.low == interval.high) {
    return mean;
  }
  const int decimals = decimals_of(interval, style.factor);
  return mean + " [" + fixed_text(interval.low * style.factor, decimals, style.is_signed) + ", " +
         fixed_text(interval.high * style.factor, decimals, style.is_signed) + "]";
}

std::string ratio_text(double ratio) { return fixed_text(ratio, ratio < 9.995 ? 2 : 1); }

Interval change_of(const Interval& relative) {
  return {relative.mean - 1.0, relative.low - 1.0, relative.high - 1.0};
}

std::string markdown_text(std::string_view text) {
  const auto is_word = [&](std::size_t i) {
    return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0;
  };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
      plain += ' ';
      continue;
    }
    // An underscore within a word means nothing.
    const bool is_within = text[i] == '_' && i > 0 && is_word(i - 1) && is_word(i + 1);
    if (!is_within && std::string_view("\\`*_[]<>|&!#~").find(text[i]) != std::string_view::npos) {
      plain += '\\';
    }
    plain += text[i];
  }
  return plain;
}

}  // namespace sluice::runtime
