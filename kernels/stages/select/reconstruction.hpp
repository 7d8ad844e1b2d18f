// SPDX-License-Identifier: Apache-2.0
// KVzip (arXiv 2505.23416, section 3): the model is asked to repeat its prompt, and a token is
// worth the most attention that it gets meanwhile.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/stages/select/layer_queries.hpp"

namespace sluice::kernels {

// Of one prompt whose cache is followed by a request to repeat it, or a part of it, and by what is
// repeated. A part may be repeated after another, in the same place behind the cache.
class ReconstructionCollector {
 public:
  ReconstructionCollector(std::int64_t layers, std::int64_t kv_heads, std::int64_t tokens);

  // From now on tokens [first, last) of the prompt are repeated: others get nothing.
  void begin_part(std::int64_t first, std::int64_t last);

  // Queries behind the prompt, each once. kInvalidArgument: they are of another shape, or lie
  // within it.
  Status observe(const LayerQueries& piece);

  // [kv_heads][tokens]: the largest weight over queries and the heads that share K; 0 for what was
  // not repeated.
  const std::vector<float>& peaks(std::int64_t layer) const;

 private:
  std::int64_t kv_heads_;
  std::int64_t tokens_;
  std::int64_t part_first_ = 0;
  std::int64_t part_last_ = 0;
  std::vector<std::vector<float>> peaks_;  // by layer
};

}  // namespace sluice::kernels
