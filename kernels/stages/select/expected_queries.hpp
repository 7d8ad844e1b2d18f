// SPDX-License-Identifier: Apache-2.0
// Expected Attention (arXiv 2510.00636, section 3): the queries to come, taken as normally
// distributed like the prompt's before RoPE, and the attention they will pay to each key.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/stages/plane.hpp"
#include "kernels/stages/select/layer_queries.hpp"
#include "kernels/stages/select/scores.hpp"

namespace sluice::kernels {

// Attention sinks: their queries are no sample of those to come, and their keys draw attention
// whatever is asked. Left out of mean, covariance and softmax, as in the authors' code.
inline constexpr std::int64_t kExpectedSinks = 4;
// Rotations are averaged over this many positions after the prompt (the paper's value).
inline constexpr std::int64_t kExpectedPositions = 512;

// Cosines and sines of the rotated pairs of some positions, the attention factor left out.
struct RotationTable {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::vector<float> cos;  // [last - first][pairs]
  std::vector<float> sin;

  static RotationTable build(const RopeAngles& rope, std::int64_t first, std::int64_t last);
};

// Sums of one layer's queries before RoPE.
class QueryStatistics {
 public:
  QueryStatistics(std::int64_t heads, std::int64_t head_dim);

  // `table` covers the piece's tokens. Sinks are skipped.
  void add(const LayerQueries& piece, const CacheShape& shape, const RotationTable& table);

  // Fills expected, expected_output and output_norm (these two only with `gram`: [heads][head_dim]
  // [head_dim], else empty) for `tokens` tokens whose K and V `pages` hold.
  void finish(const CacheShape& shape, const KvPages& pages, std::int64_t tokens,
              std::span<const float> gram, LayerScores& scores) const;

 private:
  struct Distribution {
    std::vector<float> mean;        // [head_dim], rotated
    std::vector<float> covariance;  // [head_dim][head_dim], rotated
  };
  Distribution future(std::int64_t head, const RopeAngles& rope, std::int64_t tokens) const;

  std::int64_t heads_;
  std::int64_t head_dim_;
  std::int64_t count_ = 0;
  std::vector<double> sums_;   // [heads][head_dim]
  std::vector<double> grams_;  // [heads][head_dim][head_dim]
};

}  // namespace sluice::kernels
