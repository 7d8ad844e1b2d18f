// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/checksum.hpp"

#include <xxhash.h>

#include <array>

namespace sluice::runtime {

std::uint64_t checksum(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t fold_checksum(std::uint64_t layer_checksum, std::uint64_t piece_checksum) {
  const std::array<std::uint64_t, 2> pair{layer_checksum, piece_checksum};
  return XXH3_64bits(pair.data(), sizeof(pair));
}

}  // namespace sluice::runtime
