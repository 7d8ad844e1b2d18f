// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/cache_shape.hpp"

#include <utility>

#include "runtime/engine/rope.hpp"

namespace sluice::runtime {

kernels::CacheShape cache_shape_of(const ModelFile& model) {
  const ModelSpec& spec = model.spec();
  RopeFrequencies frequencies =
      RopeFrequencies::build(spec.rope, model.weight(WeightRole::kRopeFactors));
  return {.layers = spec.layers,
          .kv_heads = spec.kv_heads,
          .head_dim = spec.head_dim,
          .model_fingerprint = model.fingerprint(),
          .rope = {.radians_per_position = std::move(frequencies.radians_per_position),
                   .attention_factor = frequencies.attention_factor,
                   .is_interleaved = spec.rope.style == RopeStyle::kInterleaved}};
}

}  // namespace sluice::runtime
