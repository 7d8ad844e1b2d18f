// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/bit_rate.hpp"

#include <string>

#include "runtime/config/nearest_name.hpp"
#include "runtime/config/number_and_unit.hpp"

namespace sluice::runtime {
namespace {

struct Suffix {
  std::string_view name;  // lower case
  double bits;
};

constexpr Suffix kSuffixes[] = {{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"tbit", 1e12}};

// Above every link, and where sums of all links of a cluster are still plain numbers.
constexpr double kBitsMax = 1e15;

Error bad_rate(std::string_view text, const std::string& why) {
  return make_error(ErrorCode::kInvalidArgument, in_quotes(text) + " " + why);
}

}  // namespace

Result<double> parse_bit_rate(std::string_view text) {
  const auto written = split_number(text);
  if (!written || !(written->number > 0)) {
    return bad_rate(text, "is not a rate such as 100Mbit or 2.5Gbit");
  }
  const double number = written->number;
  std::string suffix = in_lower_case(written->unit);
  if (suffix.ends_with("/s")) suffix.resize(suffix.size() - 2);
  for (const Suffix& row : kSuffixes) {
    if (row.name != suffix) continue;
    if (number > kBitsMax / row.bits) return bad_rate(text, "is more than 1000 Tbit");
    return number * row.bits;
  }
  if (suffix.empty()) return bad_rate(text, "has no unit; write Mbit or Gbit behind the number");
  return bad_rate(text, "ends in " + in_quotes(written->unit) +
                            ", which is not one of kbit, Mbit, Gbit, Tbit (bits per second)");
}

}  // namespace sluice::runtime
