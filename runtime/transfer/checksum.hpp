// SPDX-License-Identifier: Apache-2.0
// One number for a row of checksums: a manifest's, over its frames'.
#pragma once

#include <cstdint>

namespace sluice::runtime {

// Order-sensitive: folds one more checksum into those before it (0: none). XXH3-64 of the pair.
std::uint64_t fold_checksum(std::uint64_t folded, std::uint64_t next);

}  // namespace sluice::runtime
