// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/number_and_unit.hpp"

#include <charconv>
#include <system_error>

namespace sluice::runtime {

std::optional<NumberAndUnit> split_number(std::string_view text) {
  NumberAndUnit split;
  const char* const end = text.data() + text.size();
  const auto [rest, status] =
      std::from_chars(text.data(), end, split.number, std::chars_format::fixed);
  if (status != std::errc()) return std::nullopt;
  split.unit = {rest, static_cast<std::size_t>(end - rest)};
  while (!split.unit.empty() && split.unit.front() == ' ') split.unit.remove_prefix(1);
  return split;
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return lower;
}

}  // namespace sluice::runtime
