// SPDX-License-Identifier: Apache-2.0
// Where a request's KV lies in a slot: [layer][token][K of all heads, V of all heads].
//
// Token-major rows make the piece that a prompt chunk adds to a layer one contiguous run, hence
// one write. The codecs' frames will replace the rows, not the protocol.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kv/kv_pool.hpp"

namespace sluice::runtime {

struct FrameLayout {
  std::int64_t layers = 0;
  std::int64_t tokens = 0;
  std::size_t row_bytes = 0;  // K and V of one token in one layer

  static FrameLayout of(const KvShape& shape, std::int64_t tokens) {
    return {shape.layers, tokens, shape.bytes_per_token() / static_cast<std::size_t>(shape.layers)};
  }
  std::size_t bytes() const {
    return static_cast<std::size_t>(layers) * static_cast<std::size_t>(tokens) * row_bytes;
  }
  std::size_t offset_bytes(std::int64_t layer, std::int64_t token) const {
    return static_cast<std::size_t>(layer * tokens + token) * row_bytes;
  }
};

}  // namespace sluice::runtime
