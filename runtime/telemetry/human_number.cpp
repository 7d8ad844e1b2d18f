// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/human_number.hpp"

#include <fmt/format.h>

namespace sluice::runtime {

std::string human_count(std::int64_t count) {
  std::string text = std::to_string(count);
  const std::size_t sign = count < 0 ? 1 : 0;
  for (std::size_t place = text.size(); place > sign + 3;) {
    place -= 3;
    text.insert(place, 1, ',');
  }
  return text;
}

std::string human_bytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  // 999.5 would be rounded up to four digits, so it already takes the next unit.
  while (bytes >= 999.5 && unit + 1 < std::size(kUnits)) {
    bytes /= 1000.0;
    ++unit;
  }
  const int decimals = unit == 0 || bytes >= 99.95 ? 0 : (bytes >= 9.995 ? 1 : 2);
  return fmt::format("{:.{}f} {}", bytes, decimals, kUnits[unit]);
}

std::string human_rate(double bytes_per_s) { return human_bytes(bytes_per_s) + "/s"; }

}  // namespace sluice::runtime
