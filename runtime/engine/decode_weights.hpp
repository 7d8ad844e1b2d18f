// SPDX-License-Identifier: Apache-2.0
// A model's weights as the CPU decode engine reads them: matrices where the file is mapped, the
// small vectors as FP32.
#pragma once

#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/core/tensor_view.hpp"
#include "runtime/model/model_file.hpp"

namespace sluice::runtime {

struct DecodeLayer {
  std::vector<float> attention_norm;  // [hidden]
  std::vector<float> ffn_norm;        // [hidden]
  TensorView query, key, value, attention_output, gate, up, down;
  std::vector<float> query_bias, key_bias, value_bias;  // empty when the model has none
};

struct DecodeWeights {
  TensorView embedding;            // [vocab, hidden]
  TensorView output;               // [vocab, hidden]
  std::vector<float> output_norm;  // [hidden]
  std::vector<DecodeLayer> layers;

  // kCorrupt when a weight is missing or of another shape than the spec asks for.
  static Result<DecodeWeights> bind(const ModelFile& model);
};

}  // namespace sluice::runtime
