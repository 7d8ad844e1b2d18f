// SPDX-License-Identifier: Apache-2.0
// Rates of links as the network field writes them: "10Gbit", "2.5 Gbit/s", "100Mbit".
#pragma once

#include <string_view>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

// Bits per second: a number above 0, then one of kbit, Mbit, Gbit, Tbit (powers of 1000), with or
// without "/s"; a blank between is allowed, case does not matter. kInvalidArgument says what is
// wrong, without naming the file.
Result<double> parse_bit_rate(std::string_view text);

}  // namespace sluice::runtime
