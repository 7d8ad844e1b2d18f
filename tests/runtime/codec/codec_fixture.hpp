// SPDX-License-Identifier: Apache-2.0
// A dumped cache without a model, and pipelines for it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "runtime/codec/cache_file.hpp"
#include "runtime/codec/coded_cache.hpp"

namespace sluice::runtime::testing {

inline kernels::CacheShape fixture_shape() {
  return {.layers = 3, .kv_heads = 2, .head_dim = 16, .model_fingerprint = 77, .rope = {}};
}

// Numbers that repeat after 251 elements; heads of four queries, the last two tokens' are there.
inline DumpedCache fixture_cache(std::int64_t tokens) {
  DumpedCache cache(fixture_shape(), 4, tokens);
  for (std::int64_t layer = 0; layer < 3; ++layer) {
    auto* to = reinterpret_cast<std::uint16_t*>(cache.pages(layer).blocks[0]);
    for (std::int64_t i = 0; i < 2 * 2 * tokens * 16; ++i) {
      to[i] = bf16_from_f32(static_cast<float>((i * 37 + layer * 11) % 251 - 125) / 32.0F);
    }
  }
  const std::int64_t rows = std::min<std::int64_t>(tokens, 2);
  cache.windows.resize(3);
  for (DumpedWindow& window : cache.windows) {
    window.queries.assign(static_cast<std::size_t>(rows * 4 * 16), 0.25F);
    window.lse.assign(static_cast<std::size_t>(rows * 4), 3.0F);
  }
  return cache;
}

inline std::unique_ptr<const kernels::Pipeline> fixture_pipeline(
    std::vector<kernels::StageSpec> stages) {
  auto pipeline =
      kernels::Pipeline::create({"tried", "", std::move(stages)}, fixture_shape(), nullptr);
  EXPECT_TRUE(pipeline.has_value()) << pipeline.error().message;
  return pipeline ? std::move(*pipeline) : nullptr;
}

inline bool same_rows(const DumpedCache& a, const DumpedCache& b) {
  for (std::int64_t layer = 0; layer < 3; ++layer) {
    const auto bytes = static_cast<std::size_t>(2 * 2 * a.tokens() * 16 * 2);
    if (std::memcmp(a.pages(layer).blocks[0], b.pages(layer).blocks[0], bytes) != 0) return false;
  }
  return true;
}

}  // namespace sluice::runtime::testing
