// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/byte_size.hpp"

#include <charconv>
#include <string>

#include "runtime/config/nearest_name.hpp"

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
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (status != std::errc() || !(number >= 0)) {
    return bad_size(text, "is not a size such as 512MiB, 1GiB or 4096");
  }
  std::string_view written(rest, static_cast<std::size_t>(end - rest));
  while (!written.empty() && written.front() == ' ') written.remove_prefix(1);
  std::string suffix(written);
  for (char& letter : suffix) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  for (const Suffix& row : kSuffixes) {
    if (row.name != suffix) continue;
    const double bytes = number * row.bytes;
    if (bytes > kBytesMax) return bad_size(text, "is larger than 1024 TiB");
    const auto whole = static_cast<std::size_t>(bytes);
    if (row.bytes == 1.0 && static_cast<double>(whole) != bytes) {
      return bad_size(text, "is not a whole number of bytes");
    }
    return whole;
  }
  return bad_size(text, "ends in " + in_quotes(written) +
                            ", which is not one of B, KiB, MiB, GiB, TiB, KB, MB, GB, TB");
}

}  // namespace sluice::runtime
