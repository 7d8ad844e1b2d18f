// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/byte_size.hpp"

#include <string>

#include "runtime/config/nearest_name.hpp"
#include "runtime/config/number_and_unit.hpp"

namespace sluice::runtime {
namespace {

struct Suffix {
  std::string_view name;  // lower case
  double bytes;
};

constexpr Suffix kSuffixes[] = {
    {"", 1.0},       {"b", 1.0},  {"kib", 0x1p10}, {"mib", 0x1p20}, {"gib", 0x1p30},
    {"tib", 0x1p40}, {"kb", 1e3}, {"mb", 1e6},     {"gb", 1e9},     {"tb", 1e12},
};

// Above every machine, and far below where doubles lose whole bytes.
constexpr double kBytesMax = 0x1p50;

Error bad_size(std::string_view text, const std::string& why) {
  return make_error(ErrorCode::kInvalidArgument, in_quotes(text) + " " + why);
}

}  // namespace

Result<std::size_t> parse_byte_size(std::string_view text) {
  const auto written = split_number(text);
  if (!written || !(written->number >= 0)) {
    return bad_size(text, "is not a size such as 512MiB, 1GiB or 4096");
  }
  const std::string suffix = in_lower_case(written->unit);
  for (const Suffix& row : kSuffixes) {
    if (row.name != suffix) continue;
    const double bytes = written->number * row.bytes;
    if (bytes > kBytesMax) return bad_size(text, "is larger than 1024 TiB");
    const auto whole = static_cast<std::size_t>(bytes);
    if (row.bytes == 1.0 && static_cast<double>(whole) != bytes) {
      return bad_size(text, "is not a whole number of bytes");
    }
    return whole;
  }
  return bad_size(text, "ends in " + in_quotes(written->unit) +
                            ", which is not one of B, KiB, MiB, GiB, TiB, KB, MB, GB, TB");
}

}  // namespace sluice::runtime
