// SPDX-License-Identifier: Apache-2.0
// The checksum of KV pieces: XXH3-64, several times faster than memory on every CPU we meet.
#pragma once

#include <cstdint>

#include "kernels/core/bytes.hpp"

namespace sluice::runtime {

std::uint64_t checksum(Bytes bytes);

// Order-sensitive: folds a piece's checksum into its layer's.
std::uint64_t fold_checksum(std::uint64_t layer_checksum, std::uint64_t piece_checksum);

}  // namespace sluice::runtime
