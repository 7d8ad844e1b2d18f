// SPDX-License-Identifier: Apache-2.0
// Sizes as people write them in a configuration: "512MiB", "1.5 GiB", "4096".
#pragma once

#include <cstddef>
#include <string_view>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

// A number, then one of B, KiB, MiB, GiB, TiB (powers of 1024) or KB, MB, GB, TB (powers of 1000),
// or no suffix for bytes; a blank between is allowed, case does not matter. A fraction needs a
// suffix and is rounded down to whole bytes. kInvalidArgument says what is wrong, without naming
// the file.
Result<std::size_t> parse_byte_size(std::string_view text);

}  // namespace sluice::runtime
