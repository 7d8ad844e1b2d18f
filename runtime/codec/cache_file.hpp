// SPDX-License-Identifier: Apache-2.0
// A prompt's KV cache as a safetensors file, with what selection wants to know of its prefill: what
// `sluice codec` works on, and what any other tool can open.
//
// Tensors: "shape" I32 [layers, kv_heads, head_dim, heads, tokens], "fingerprint" I32 [2] (low half
// first), "rope" I32 [2 pairs + 3] (FP64 bits of each pair's radians per position, low half first,
// then those of the factor, then 1 for interleaved pairs), "k.<layer>" and "v.<layer>" BF16
// [kv_heads, tokens, head_dim]; and where prefill was asked for them, FP32: "queries.<layer>"
// [window, heads, head_dim] after RoPE, "lse.<layer>" [window, heads], "accumulated.<layer>",
// "expected.<layer>", "expected_output.<layer>", "output_norm.<layer>" and
// "reconstruction.<layer>" [kv_heads, tokens], "similarity" [layers].
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/stages/plane.hpp"
#include "kernels/stages/select/scores.hpp"

namespace sluice::runtime {

// Caches that a file may give: layers, heads and elements up to 65,535, tokens up to 2^24, and up
// to 64 GiB of BF16. Query heads are whole groups of KV heads.
inline constexpr std::int64_t kCacheSizeMax = 65535;
inline constexpr std::int64_t kCacheTokensMax = std::int64_t{1} << 24;
inline constexpr std::int64_t kCacheBytesMax = std::int64_t{64} << 30;

bool is_possible_cache(const kernels::CacheShape& shape, std::int64_t heads, std::int64_t tokens);

// Of a prompt's last tokens, for one layer.
struct DumpedWindow {
  std::vector<float> queries;  // [window][heads][head_dim], after RoPE
  std::vector<float> lse;      // [window][heads], of the scaled scores
};

class DumpedCache {
 public:
  // Zeros for `tokens` tokens. `heads`: of queries. Sizes from outside are is_possible_cache()
  // first.
  DumpedCache(kernels::CacheShape shape, std::int64_t heads, std::int64_t tokens);

  const kernels::CacheShape& shape() const { return shape_; }
  std::int64_t heads() const { return heads_; }
  std::int64_t tokens() const { return tokens_; }

  // Whether both are of one model, shape and number of tokens.
  bool is_like(const DumpedCache& other) const;

  // One block of tokens() tokens, BF16; valid as long as the cache.
  kernels::KvPages pages(std::int64_t layer) const;
  std::vector<kernels::KvPages> all_pages() const;

  // By layer, or empty: not dumped.
  std::vector<DumpedWindow> windows;
  // By layer, or empty; of each what was asked for, but `window`, `peak` and `queries`.
  std::vector<kernels::LayerScores> scores;

  Status save(const std::filesystem::path& path) const;
  // kNotFound; kCorrupt names the tensor that is missing or of another shape than "shape" says.
  static Result<DumpedCache> load(const std::filesystem::path& path);

 private:
  kernels::CacheShape shape_;
  std::int64_t heads_;
  std::int64_t tokens_;
  std::vector<std::vector<std::byte>> layers_;  // [K, V][kv_heads][tokens][head_dim]
  std::vector<std::byte*> starts_;              // of layers_
};

}  // namespace sluice::runtime
