// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/checksum.hpp"

#include <xxhash.h>

#include <array>

namespace sluice::runtime {

std::uint64_t fold_checksum(std::uint64_t folded, std::uint64_t next) {
  const std::array<std::uint64_t, 2> pair{folded, next};
  return XXH3_64bits(pair.data(), sizeof(pair));
}

}  // namespace sluice::runtime
