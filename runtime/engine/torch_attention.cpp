// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/torch_attention.hpp"

#include <ATen/native/CPUBlas.h>
#include <c10/util/BFloat16.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "kernels/elementwise/convert.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/elementwise/softmax.hpp"
#include "runtime/engine/team_failure.hpp"

namespace sluice::runtime {
namespace {

namespace blas = at::native::cpublas;

// Keys of a block: scores of a tile then are about 100 KB, well inside L2 beside the panels.
constexpr std::int64_t kPanelTokens = 256;
// Rows of a tile, about: enough to keep a product's inner loop full.
constexpr std::int64_t kTileRows = 96;
// On the diagonal a block is cut to a multiple of this: the products then exist in four sizes.
constexpr std::int64_t kKeyStep = 64;

template <class Element>
constexpr DType kDTypeOf = std::is_same_v<Element, float> ? DType::kF32 : DType::kBF16;

template <class Element>
struct Panels {
  std::vector<Element> keys;
  std::vector<Element> values;
  std::int64_t head_elements = 0;
};

// The rows of one thread's current tile.
template <class Element>
struct Tile {
  Tile(std::int64_t rows, std::int64_t head_dim)
      : queries(size(rows * head_dim)),
        scores(size(rows * kPanelTokens)),
        weights(std::is_same_v<Element, float> ? 0 : size(rows * kPanelTokens)),
        sums(size(rows * head_dim)),
        maximum(size(rows)),
        total(size(rows)) {}
  static std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

  std::vector<Element> queries;
  std::vector<float> scores;
  std::vector<Element> weights;
  std::vector<float> sums;
  std::vector<float> maximum;
  std::vector<float> total;
};

template <class Element>
class Attention {
 public:
  explicit Attention(const AttentionChunk& chunk)
      : chunk_(chunk),
        head_dim_(chunk.pages.head_dim),
        group_(chunk.heads / chunk.pages.kv_heads),
        tile_tokens_(std::max<std::int64_t>(kTileRows / group_, 1)) {}

  void run() {
    pack();
    const std::int64_t tiles = (chunk_.tokens + tile_tokens_ - 1) / tile_tokens_;
    const std::int64_t jobs = tiles * chunk_.pages.kv_heads;
    TeamFailure failure;
#pragma omp parallel if (jobs > 1)
    {
      std::unique_ptr<Tile<Element>> tile;
      failure.guard(
          [&] { tile = std::make_unique<Tile<Element>>(tile_tokens_ * group_, head_dim_); });
      // The longest rows first, so that the threads end together.
#pragma omp for schedule(dynamic)
      for (std::int64_t job = 0; job < jobs; ++job) {
        if (!tile || failure.is_set()) continue;
        const std::int64_t index = tiles - 1 - job / chunk_.pages.kv_heads;
        failure.guard([&] { attend(*tile, job % chunk_.pages.kv_heads, index * tile_tokens_); });
      }
      failure.guard([] { blas::brgemm_release(kIsVnni); });
    }
    failure.rethrow();
  }

 private:
  static constexpr bool kIsVnni = !std::is_same_v<Element, float>;

  void pack() {
    const std::int64_t tokens = chunk_.first_token + chunk_.tokens;
    const std::int64_t padded = (tokens + kPanelTokens - 1) / kPanelTokens * kPanelTokens;
    panels_.head_elements = padded * head_dim_;
    const auto elements = static_cast<std::size_t>(panels_.head_elements * chunk_.pages.kv_heads);
    panels_.keys.resize(elements);
    panels_.values.resize(elements);
    kernels::pack_kv_panels(chunk_.pages, tokens,
                            {.dtype = kDTypeOf<Element>,
                             .panel_tokens = kPanelTokens,
                             .keys = panels_.keys.data(),
                             .values = panels_.values.data()});
  }

  void load_queries(Tile<Element>& tile, std::int64_t kv_head, std::int64_t first,
                    std::int64_t tokens) const {
    const std::int64_t width = group_ * head_dim_;
    const auto element_bytes = static_cast<std::int64_t>(dtype_block_bytes(chunk_.queries.dtype));
    const auto* from = static_cast<const std::byte*>(chunk_.queries.data) +
                       (first * chunk_.queries.stride + kv_head * width) * element_bytes;
    kernels::convert_rows(tokens, width, {from, chunk_.queries.dtype, chunk_.queries.stride},
                          {tile.queries.data(), kDTypeOf<Element>, width});
    std::fill(tile.queries.begin() + tokens * width, tile.queries.end(), Element(0.0F));
    std::fill(tile.sums.begin(), tile.sums.end(), 0.0F);
    std::fill(tile.total.begin(), tile.total.end(), 0.0F);
    std::fill(tile.maximum.begin(), tile.maximum.end(), -std::numeric_limits<float>::infinity());
  }

  // Tokens from `first` on, the queries of one head of keys and values. Rows past the chunk's end
  // are computed as well, so that products come in few sizes, and dropped.
  void attend(Tile<Element>& tile, std::int64_t kv_head, std::int64_t first) const {
    const std::int64_t tokens = std::min(tile_tokens_, chunk_.tokens - first);
    load_queries(tile, kv_head, first, tokens);
    const Element* keys = panels_.keys.data() + kv_head * panels_.head_elements;
    const Element* values = panels_.values.data() + kv_head * panels_.head_elements;
    const std::int64_t rows = tile_tokens_ * group_;
    Element* weights = tile.weights.data();
    if constexpr (std::is_same_v<Element, float>) weights = tile.scores.data();
    kernels::SoftmaxBlock block{.rows = rows,
                                .first_query = chunk_.first_token + first,
                                .queries_per_token = group_,
                                .head_dim = head_dim_,
                                .scale = 1.0F / std::sqrt(static_cast<float>(head_dim_)),
                                .scores = tile.scores.data(),
                                .weights = weights,
                                .weights_dtype = kDTypeOf<Element>,
                                .maximum = tile.maximum.data(),
                                .total = tile.total.data(),
                                .sums = tile.sums.data()};
    const std::int64_t end = chunk_.first_token + first + tokens;
    for (std::int64_t key = 0; key < end; key += kPanelTokens) {
      const std::int64_t left = (end - key + kKeyStep - 1) / kKeyStep * kKeyStep;
      block.first_key = key;
      block.keys = std::min(kPanelTokens, left);
      blas::brgemm(rows, block.keys, head_dim_, head_dim_, kPanelTokens, block.keys, false,
                   tile.queries.data(), keys + key * head_dim_, tile.scores.data(), kIsVnni);
      kernels::softmax_block(block);
      blas::brgemm(rows, head_dim_, block.keys, block.keys, head_dim_, head_dim_, true, weights,
                   values + key * head_dim_, tile.sums.data(), kIsVnni);
    }
    finish(block, kv_head, first, tokens);
  }

  void finish(const kernels::SoftmaxBlock& block, std::int64_t kv_head, std::int64_t first,
              std::int64_t tokens) const {
    const auto element_bytes = static_cast<std::int64_t>(dtype_block_bytes(chunk_.out.dtype));
    for (std::int64_t row = 0; row < tokens * group_; ++row) {
      const std::int64_t head = kv_head * group_ + row % group_;
      const std::int64_t token = first + row / group_;
      auto* to = static_cast<std::byte*>(chunk_.out.data) +
                 (token * chunk_.out.stride + head * head_dim_) * element_bytes;
      kernels::softmax_finish(block, row, to, chunk_.out.dtype);
      if (chunk_.lse != nullptr) {
        chunk_.lse[token * chunk_.heads + head] =
            block.maximum[row] * block.scale + std::log(block.total[row]);
      }
    }
  }

  const AttentionChunk& chunk_;
  std::int64_t head_dim_;
  std::int64_t group_;
  std::int64_t tile_tokens_;
  Panels<Element> panels_;
};

}  // namespace

bool has_bf16_attention() {
  static const bool has = [] {
    std::array<at::BFloat16, 64> a{};
    std::array<at::BFloat16, 64> b{};
    std::array<float, 4> c{};
    try {
      blas::brgemm(2, 2, 32, 32, 2, 2, false, a.data(), b.data(), c.data(), true);
      blas::brgemm_release(true);
    } catch (const std::exception&) {
      return false;
    }
    return true;
  }();
  return has;
}

void attend_chunk(const AttentionChunk& chunk, bool is_bf16) {
  if (is_bf16) {
    Attention<at::BFloat16>(chunk).run();
  } else {
    Attention<float>(chunk).run();
  }
}

}  // namespace sluice::runtime
