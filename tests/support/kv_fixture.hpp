// SPDX-License-Identifier: Apache-2.0
// KV caches for the codec's tests: synthetic, but with what makes real ones hard. K has channels of
// large mean and pairs turned by RoPE, V has heavy tails, neighbours resemble each other, the heads
// of a layer share a few directions, token 0 is a sink. The same numbers on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/stages/matrix.hpp"
#include "kernels/stages/plane.hpp"
#include "kernels/stages/select/scores.hpp"

namespace sluice::tests {

struct KvFixtureSpec {
  std::int64_t layers = 2;
  std::int64_t kv_heads = 2;
  std::int64_t head_dim = 64;
  std::int64_t tokens = 100;
  std::int64_t block_tokens = 16;
  DType dtype = DType::kBF16;  // or kF32; the numbers are BF16's either way
  std::uint64_t seed = 1;      // of the model: which channels are large, what heads share
  std::uint64_t text = 1;      // of what it read
  bool is_zero = false;        // a cache to decode into
};

class KvFixture {
 public:
  explicit KvFixture(const KvFixtureSpec& spec);
  KvFixture(KvFixture&&) = default;

  const KvFixtureSpec& spec() const { return spec_; }
  const kernels::CacheShape& shape() const { return shape_; }  // with RoPE's angles
  kernels::KvPages pages(std::int64_t layer) const;
  std::vector<kernels::KvPages> pages() const;  // by layer

  // One layer's K or V as [tokens][kv_heads * head_dim]: a plane of all its tokens.
  std::vector<float> rows(std::int64_t layer, kernels::KvHalf half) const;

  float get(std::int64_t layer, kernels::KvHalf half, std::int64_t head, std::int64_t token,
            std::int64_t channel) const;
  void set(std::int64_t layer, kernels::KvHalf half, std::int64_t head, std::int64_t token,
           std::int64_t channel, float value);

  // What prefill could have found: non-negative, few large, each layer and head its own.
  std::vector<kernels::LayerScores> scores(const kernels::ScoreNeeds& needs) const;

 private:
  void fill();
  std::byte* element(std::int64_t layer, kernels::KvHalf half, std::int64_t head,
                     std::int64_t token, std::int64_t channel) const;

  KvFixtureSpec spec_;
  kernels::CacheShape shape_;
  std::int64_t blocks_ = 0;                     // of one layer
  std::vector<std::vector<std::byte>> memory_;  // by layer
  std::vector<std::vector<std::byte*>> block_starts_;
};

// A plane of one whole layer of a fixture, every token kept. `positions` must outlive it.
std::vector<std::int32_t> all_positions(std::int64_t tokens);
kernels::Plane whole_plane(const KvFixture& cache, std::int64_t layer, kernels::KvHalf half,
                           std::span<const std::int32_t> positions);

// A view of rows as rows() gives them.
kernels::ConstMatrix matrix_of(const std::vector<float>& rows, std::int64_t columns);
kernels::Matrix matrix_of(std::vector<float>& rows, std::int64_t columns);

// sqrt(sum (a - b)^2 / sum a^2); 0 when both sums are.
double relative_rms(const std::vector<float>& expected, const std::vector<float>& actual);

}  // namespace sluice::tests
