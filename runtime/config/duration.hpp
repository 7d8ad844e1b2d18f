// SPDX-License-Identifier: Apache-2.0
// Durations as a configuration writes them: "2s", "500ms", "1.5min".
#pragma once

#include <string_view>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

// Seconds: a number above 0, then one of us, ms, s, min, h; a blank between is allowed. At most one
// day. kInvalidArgument says what is wrong, without naming the file.
Result<double> parse_duration_s(std::string_view text);

}  // namespace sluice::runtime
