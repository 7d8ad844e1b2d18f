// SPDX-License-Identifier: Apache-2.0
// A layer's random queries, keys and values in pages, and attention over them in double: the
// oracle of everything that scores.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/stages/select/layer_queries.hpp"

namespace sluice::kernels {

struct AttentionCase {
  AttentionCase(std::int64_t token_count, std::int64_t head_count, std::int64_t kv_head_count,
                std::int64_t dim, DType dtype = DType::kF32, std::int64_t block = 32)
      : tokens(token_count), heads(head_count), kv_heads(kv_head_count), head_dim(dim) {
    std::mt19937 generator(5);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& out, std::int64_t per_token) {
      out.resize(static_cast<std::size_t>(tokens * per_token * head_dim));
      for (float& value : out) value = f32_from_bf16(bf16_from_f32(1.5F * normal(generator)));
    };
    fill(queries, heads);
    fill(keys, kv_heads);
    fill(values, kv_heads);
    const std::int64_t blocks = (tokens + block - 1) / block;
    const auto block_bytes =
        static_cast<std::size_t>(2 * kv_heads * block * head_dim) * dtype_block_bytes(dtype);
    memory.assign(static_cast<std::size_t>(blocks) * block_bytes, std::byte{0xff});  // NaN
    for (std::int64_t i = blocks; i-- > 0;) {
      starts.push_back(memory.data() + static_cast<std::size_t>(i) * block_bytes);
    }
    pages = {starts, block, kv_heads, head_dim, dtype_block_bytes(dtype)};
    const std::int64_t width = kv_heads * head_dim;
    if (tokens > 0) {
      store_kv(pages,
               {0, tokens, {keys.data(), DType::kF32, width}, {values.data(), DType::kF32, width}});
    }
    for (std::int64_t token = 0; token < tokens; ++token) {
      for (std::int64_t head = 0; head < heads; ++head) {
        double sum = 0;
        for (std::int64_t key = 0; key <= token; ++key) sum += std::exp(score(token, head, key));
        lse.push_back(static_cast<float>(std::log(sum)));
      }
    }
  }
  AttentionCase(const AttentionCase&) = delete;
  AttentionCase& operator=(const AttentionCase&) = delete;

  std::int64_t group() const { return heads / kv_heads; }

  double score(std::int64_t token, std::int64_t head, std::int64_t key) const {
    double sum = 0;
    for (std::int64_t d = 0; d < head_dim; ++d) {
      sum += static_cast<double>(
                 queries[static_cast<std::size_t>((token * heads + head) * head_dim + d)]) *
             keys[static_cast<std::size_t>((key * kv_heads + head / group()) * head_dim + d)];
    }
    return sum / std::sqrt(static_cast<double>(head_dim));
  }

  // Of the softmax itself, not by way of `lse`.
  double weight(std::int64_t token, std::int64_t head, std::int64_t key) const {
    if (key > token) return 0.0;
    double sum = 0;
    for (std::int64_t other = 0; other <= token; ++other) {
      sum += std::exp(score(token, head, other));
    }
    return std::exp(score(token, head, key)) / sum;
  }

  // What queries [first, last) pay to `key`, all heads of the group: sum and maximum.
  double mass(std::int64_t kv_head, std::int64_t key, std::int64_t first, std::int64_t last,
              double* most = nullptr) const {
    double sum = 0;
    for (std::int64_t token = first; token < last; ++token) {
      for (std::int64_t head = kv_head * group(); head < (kv_head + 1) * group(); ++head) {
        const double one = weight(token, head, key);
        sum += one;
        if (most != nullptr && one > *most) *most = one;
      }
    }
    return sum;
  }

  LayerQueries piece(std::int64_t layer, std::int64_t first, std::int64_t last) const {
    const std::int64_t width = heads * head_dim;
    return {.layer = layer,
            .first_token = first,
            .last_token = last,
            .heads = heads,
            .queries = {queries.data() + first * width, DType::kF32, width},
            .lse = lse.data() + first * heads,
            .pages = pages};
  }

  std::int64_t tokens;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  std::vector<float> queries;  // [token][head][head_dim]
  std::vector<float> keys;     // [token][kv_head][head_dim]
  std::vector<float> values;   // the same
  std::vector<float> lse;      // [token][head]
  std::vector<std::byte> memory;
  std::vector<std::byte*> starts;
  KvPages pages;
};

}  // namespace sluice::kernels
