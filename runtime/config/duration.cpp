// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/duration.hpp"

#include <string>

#include "runtime/config/nearest_name.hpp"
#include "runtime/config/number_and_unit.hpp"

namespace sluice::runtime {
namespace {

struct Suffix {
  std::string_view name;
  double divisor;  // one of the two is 1: no factor is rounded
  double multiplier;
};

constexpr Suffix kSuffixes[] = {
    {"us", 1e6, 1}, {"ms", 1e3, 1}, {"s", 1, 1}, {"min", 1, 60}, {"h", 1, 3600}};

constexpr double kSecondsMax = 86400;

Error bad_duration(std::string_view text, const std::string& why) {
  return make_error(ErrorCode::kInvalidArgument, in_quotes(text) + " " + why);
}

}  // namespace

Result<double> parse_duration_s(std::string_view text) {
  const auto written = split_number(text);
  if (!written || !(written->number > 0)) {
    return bad_duration(text, "is not a duration such as 2s or 500ms");
  }
  const std::string_view suffix = written->unit;
  for (const Suffix& row : kSuffixes) {
    if (row.name != suffix) continue;
    const double seconds = written->number / row.divisor * row.multiplier;
    if (!(seconds <= kSecondsMax)) return bad_duration(text, "is more than 24h");
    return seconds;
  }
  if (suffix.empty()) return bad_duration(text, "has no unit; write s or ms behind the number");
  return bad_duration(text,
                      "ends in " + in_quotes(suffix) + ", which is not one of us, ms, s, min, h");
}

}  // namespace sluice::runtime
