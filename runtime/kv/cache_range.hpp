// SPDX-License-Identifier: Apache-2.0
// Which part of a model's cache something is about.
#pragma once

#include <cstdint>

namespace sluice::runtime {

// A part of a model's cache: these KV heads of these layers. With tensor parallelism on either side
// a writer sends a target only what that target's rank needs. Heads and layers are the whole
// model's, whoever holds them.
struct CacheRange {
  std::int32_t layer_first = 0;
  std::int32_t layer_count = 0;
  std::int32_t head_first = 0;
  std::int32_t head_count = 0;

  friend bool operator==(const CacheRange&, const CacheRange&) = default;
};

}  // namespace sluice::runtime
