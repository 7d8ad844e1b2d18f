// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/decode_weights.hpp"

#include <optional>
#include <string>
#include <utility>

#include "kernels/linear/dequantize.hpp"

namespace sluice::runtime {
namespace {

// Every view is checked again here, since nothing below this file can fail.
class Binder {
 public:
  Binder(const ModelFile& model, std::int64_t layer) : model_(model), layer_(layer) {}

  Result<TensorView> matrix(WeightRole role, std::int64_t rows, std::int64_t columns) const {
    const std::optional<TensorView> view = model_.weight(role, layer_);
    if (!view) return missing(role);
    const bool is_fit = view->rank == 2 && view->shape[0] == rows && view->shape[1] == columns;
    const auto block = kernels::is_weight_dtype(view->dtype)
                           ? static_cast<std::int64_t>(dtype_block_elements(view->dtype))
                           : 0;
    if (!is_fit || block == 0 || columns % block != 0) return misfit(role, *view);
    return *view;
  }

  Result<std::vector<float>> vector(WeightRole role, std::int64_t count) const {
    const std::optional<TensorView> view = model_.weight(role, layer_);
    if (!view) return missing(role);
    const bool is_plain =
        kernels::is_weight_dtype(view->dtype) && dtype_block_elements(view->dtype) == 1;
    if (!is_plain || view->elements() != count) return misfit(role, *view);
    std::vector<float> values(static_cast<std::size_t>(count));
    TensorView flat = *view;
    flat.rank = 1;
    flat.shape = {count};
    kernels::dequantize(flat, 0, 1, values.data());
    return values;
  }

 private:
  std::string place(WeightRole role) const {
    return "weight role " + std::to_string(static_cast<int>(role)) + " of layer " +
           std::to_string(layer_);
  }
  Error missing(WeightRole role) const {
    return make_error(ErrorCode::kCorrupt, place(role) + " is missing from the model");
  }
  Error misfit(WeightRole role, const TensorView& view) const {
    std::string shape;
    for (int axis = 0; axis < view.rank; ++axis) {
      if (axis != 0) shape += 'x';
      shape += std::to_string(view.shape[static_cast<std::size_t>(axis)]);
    }
    return make_error(ErrorCode::kCorrupt, place(role) + " is " + shape + " " +
                                               dtype_name(view.dtype) +
                                               ", which does not fit the model's spec");
  }

  const ModelFile& model_;
  std::int64_t layer_;
};

Result<DecodeLayer> bind_layer(const ModelFile& model, std::int64_t index) {
  const ModelSpec& spec = model.spec();
  const Binder from(model, index);
  const std::int64_t query_width = spec.heads * spec.head_dim;
  DecodeLayer layer;
  layer.attention_norm = SLUICE_TRY(from.vector(WeightRole::kAttentionNorm, spec.hidden));
  layer.ffn_norm = SLUICE_TRY(from.vector(WeightRole::kFfnNorm, spec.hidden));
  layer.query = SLUICE_TRY(from.matrix(WeightRole::kQuery, query_width, spec.hidden));
  layer.key = SLUICE_TRY(from.matrix(WeightRole::kKey, spec.kv_width(), spec.hidden));
  layer.value = SLUICE_TRY(from.matrix(WeightRole::kValue, spec.kv_width(), spec.hidden));
  layer.attention_output =
      SLUICE_TRY(from.matrix(WeightRole::kAttentionOutput, spec.hidden, query_width));
  layer.gate = SLUICE_TRY(from.matrix(WeightRole::kGate, spec.ffn, spec.hidden));
  layer.up = SLUICE_TRY(from.matrix(WeightRole::kUp, spec.ffn, spec.hidden));
  layer.down = SLUICE_TRY(from.matrix(WeightRole::kDown, spec.hidden, spec.ffn));
  if (spec.attention_bias) {
    layer.query_bias = SLUICE_TRY(from.vector(WeightRole::kQueryBias, query_width));
    layer.key_bias = SLUICE_TRY(from.vector(WeightRole::kKeyBias, spec.kv_width()));
    layer.value_bias = SLUICE_TRY(from.vector(WeightRole::kValueBias, spec.kv_width()));
  }
  return layer;
}

}  // namespace

Result<DecodeWeights> DecodeWeights::bind(const ModelFile& model) {
  const ModelSpec& spec = model.spec();
  const Binder from(model, 0);
  DecodeWeights weights;
  weights.embedding = SLUICE_TRY(from.matrix(WeightRole::kTokenEmbedding, spec.vocab, spec.hidden));
  weights.output = SLUICE_TRY(from.matrix(WeightRole::kOutput, spec.vocab, spec.hidden));
  weights.output_norm = SLUICE_TRY(from.vector(WeightRole::kOutputNorm, spec.hidden));
  for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
    weights.layers.push_back(SLUICE_TRY(bind_layer(model, layer)));
  }
  return weights;
}

}  // namespace sluice::runtime
