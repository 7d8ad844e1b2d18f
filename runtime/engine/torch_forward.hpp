// SPDX-License-Identifier: Apache-2.0
// The forward pass of a chunk of one sequence, in two ways: fused with our own kernels on a CPU, or
// of plain LibTorch operators on any device.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/elementwise/kv_rows.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/engine/rope.hpp"
#include "runtime/engine/torch_weights.hpp"

namespace sluice::runtime {

struct ForwardChunk {
  KvPool* pool = nullptr;
  std::span<const KvBlockId> blocks;  // reach the longest head with these tokens
  std::int64_t first_token = 0;
  std::span<const TokenId> tokens;
  const PrefillHooks* hooks = nullptr;  // may be null
  std::span<float> logits;              // empty, of the last token, or of all tokens
  // As KvSequence::dropped. Not empty: one token, and the plain pass alone.
  std::span<const std::int64_t> dropped = {};

  std::int64_t last_token() const { return first_token + static_cast<std::int64_t>(tokens.size()); }
  // Null unless somebody watches.
  const PrefillObserver* observer() const;
  // The first of this chunk's tokens whose queries are watched; last_token() for none.
  std::int64_t first_watched() const;
};

class TorchForward {
 public:
  virtual ~TorchForward() = default;

  // K and V of the chunk to the pool, and the logits. Throws what LibTorch throws.
  virtual void run(const ForwardChunk& chunk) = 0;
};

// CPU only.
std::unique_ptr<TorchForward> create_fused_forward(const TorchWeights& weights);

// Any device; weights decide.
std::unique_ptr<TorchForward> create_plain_forward(const TorchWeights& weights);

// A RoPE table that grows with the longest sequence seen, in steps of powers of two.
class GrowingRope {
 public:
  explicit GrowingRope(const TorchWeights& weights) : weights_(weights) {}
  const RopeTable& reaching(std::int64_t positions);

 private:
  const TorchWeights& weights_;
  RopeTable table_;
};

// One layer's pages of a chunk's sequence. `starts` holds the block addresses.
kernels::KvPages kv_pages_of(const ForwardChunk& chunk, std::int64_t layer,
                             std::vector<std::byte*>& starts);

}  // namespace sluice::runtime
