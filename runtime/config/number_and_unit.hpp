// SPDX-License-Identifier: Apache-2.0
// A number with a unit behind it, as sizes, rates and durations are written: "512MiB", "2.5 Gbit".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::runtime {

struct NumberAndUnit {
  double number = 0.0;
  std::string_view unit;  // of the text given; without blanks before it, may be empty
};

// Nothing where the text does not begin with a plain decimal number.
std::optional<NumberAndUnit> split_number(std::string_view text);

// ASCII letters only.
std::string in_lower_case(std::string_view text);

}  // namespace sluice::runtime
