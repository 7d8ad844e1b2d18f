// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/bit_rate.hpp"

#include <charconv>
#include <string>

#include "runtime/config/nearest_name.hpp"

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
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (status != std::errc() || !(number > 0)) {
    return bad_rate(text, "is not a rate such as 100Mbit or 2.5Gbit");
  }
  std::string_view written(rest, static_cast<std::size_t>(end - rest));
  while (!written.empty() && written.front() == ' ') written.remove_prefix(1);
  std::string suffix(written);
  for (char& letter : suffix) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  if (suffix.ends_with("/s")) suffix.resize(suffix.size() - 2);
  for (const Suffix& row : kSuffixes) {
    if (row.name != suffix) continue;
    if (number > kBitsMax / row.bits) return bad_rate(text, "is more than 1000 Tbit");
    return number * row.bits;
  }
  if (suffix.empty()) return bad_rate(text, "has no unit; write Mbit or Gbit behind the number");
  return bad_rate(text, "ends in " + in_quotes(written) +
                            ", which is not one of kbit, Mbit, Gbit, Tbit (bits per second)");
}

}  // namespace sluice::runtime
