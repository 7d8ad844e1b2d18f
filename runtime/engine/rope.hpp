// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding: the cosines and sines of every position, scaled as the model asks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/core/tensor_view.hpp"
#include "runtime/model/model_spec.hpp"

namespace sluice::runtime {

// The angular frequencies (radians per position) of each rotated pair, and the factor on cosine
// and sine. Computed in FP64; the scalings are those of Llama 3.1 and of YaRN (arXiv 2309.00071,
// section 3.3), as Hugging Face transformers' modeling_rope_utils defines them.
// `rope_factors`: empty, or dims / 2 FP32 divisors of the frequencies, which then stand for the
// kLlama3 scaling (a GGUF file stores its result).
struct RopeFrequencies {
  std::vector<double> radians_per_position;  // dims / 2
  double attention_factor = 1.0;

  static RopeFrequencies build(const RopeSpec& spec, const std::optional<TensorView>& rope_factors);
};

class RopeTable {
 public:
  // `rope_factors` as above, checked for shape by whoever opened the model.
  static RopeTable build(const ModelSpec& spec, std::optional<TensorView> rope_factors,
                         std::int64_t positions);

  std::int64_t positions() const { return positions_; }
  std::int64_t pairs() const { return pairs_; }  // dims / 2

  // pairs() floats, the attention factor folded in; positions() rows lie one after another.
  const float* cos(std::int64_t position) const { return cos_.data() + position * pairs_; }
  const float* sin(std::int64_t position) const { return sin_.data() + position * pairs_; }

 private:
  std::int64_t positions_ = 0;
  std::int64_t pairs_ = 0;
  std::vector<float> cos_;
  std::vector<float> sin_;
};

}  // namespace sluice::runtime
