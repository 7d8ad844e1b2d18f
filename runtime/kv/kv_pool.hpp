// SPDX-License-Identifier: Apache-2.0
// The paged KV cache: fixed memory in blocks of tokens, and which sequence owns which block.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "kernels/core/result.hpp"

namespace sluice::runtime {

// 32 tokens: a block of one head is then 4 KB in BF16 at width 64, one page.
inline constexpr std::int64_t kKvBlockTokens = 32;

using KvBlockId = std::int32_t;

struct KvShape {
  std::int64_t layers = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  DType dtype = DType::kBF16;  // kBF16 or kF32
  // The model's KV head that is the pool's first: a rank of several holds kv_heads from it on.
  std::int64_t head_first = 0;

  std::size_t bytes_per_token() const;  // all layers, K and V
};

// Memory: [layer][block][K, V][kv_head][kKvBlockTokens][head_dim]. K is stored after RoPE.
class KvPool {
 public:
  // Host memory of `blocks` blocks, page-aligned, touched. kResourceExhausted says how much was
  // asked for.
  static Result<std::unique_ptr<KvPool>> create(const KvShape& shape, std::int64_t blocks);
  ~KvPool();

  const KvShape& shape() const { return shape_; }
  std::int64_t blocks() const { return blocks_; }
  std::int64_t free_blocks() const { return static_cast<std::int64_t>(free_.size()); }

  // All or nothing; kResourceExhausted leaves the pool as it was. Not thread-safe: one owner.
  Result<std::vector<KvBlockId>> acquire(std::int64_t blocks);
  // One more holder for each: who acquired a block is its first. Blocks with more than one are to
  // be read only.
  void share(std::span<const KvBlockId> blocks);
  // One holder less; without any a block is free, or idle when it is kept.
  void release(std::span<const KvBlockId> blocks);
  bool is_held(KvBlockId block) const;

  // For a cache: held blocks that shall not be free when nobody holds them any more, but idle: what
  // they contain stays and can be shared again, until drop() makes them as any others.
  void keep(std::span<const KvBlockId> blocks);
  void drop(std::span<const KvBlockId> blocks);
  std::int64_t idle_blocks() const { return idle_; }

  // The start of block `block` of `layer`: K of all heads, then V of all heads.
  std::byte* block(std::int64_t layer, KvBlockId block);
  const std::byte* block(std::int64_t layer, KvBlockId block) const;
  std::size_t block_bytes() const { return block_bytes_; }  // of one layer

 private:
  KvPool(const KvShape& shape, std::int64_t blocks, std::byte* memory, std::size_t bytes);
  std::size_t index_of(KvBlockId block) const;

  KvShape shape_;
  std::int64_t blocks_;
  std::size_t block_bytes_;
  std::byte* memory_;
  std::size_t memory_bytes_;
  std::vector<KvBlockId> free_;
  // By block. A double release is caught where it happens: what a cache keeps is no holder.
  std::vector<std::uint32_t> holders_;
  std::vector<bool> is_kept_;
  std::int64_t idle_ = 0;
};

// One request's place in a pool. A head's rows lie one after another from the first row of its
// blocks on; of each head of each layer, those of some tokens may have been left out.
struct KvSequence {
  std::vector<KvBlockId> blocks;
  std::int64_t tokens = 0;  // seen so far: the position of the next one
  // [layer][kv_head]: how many of them have no row there; empty: none. Tokens that come later get a
  // row in every head, so these numbers stay.
  std::vector<std::int64_t> dropped = {};

  // The rows of head number `head` (layer * kv_heads + KV head).
  std::int64_t rows(std::size_t head) const {
    return tokens - (dropped.empty() ? 0 : dropped[head]);
  }
  std::int64_t rows_max() const;  // of the longest head
};

std::int64_t kv_blocks_for(std::int64_t tokens);

}  // namespace sluice::runtime
