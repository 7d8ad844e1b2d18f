// SPDX-License-Identifier: Apache-2.0
// A model's weights as LibTorch tensors of the compute type, laid out for few and large products.
// Private to this folder: names LibTorch types.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/model/model_file.hpp"

namespace sluice::runtime {

// y = x W^T + bias, rows of x being tokens.
class TorchLinear {
 public:
  TorchLinear() = default;

  // `weight`: [outputs, inputs]; `bias`: [outputs] or undefined. On a CPU the weight is reordered
  // for products of about `tokens` rows where oneDNN offers that; `weight` itself is not kept then.
  TorchLinear(at::Tensor weight, at::Tensor bias, std::int64_t tokens);

  at::Tensor apply(const at::Tensor& x) const;

 private:
  at::Tensor weight_;
  at::Tensor bias_;
  bool is_packed_ = false;
};

struct TorchLayer {
  at::Tensor attention_norm;  // [hidden] FP32
  TorchLinear qkv;            // Q of all heads, K of all heads, V of all heads
  TorchLinear attention_output;
  at::Tensor ffn_norm;  // [hidden] FP32
  TorchLinear gate_up;  // gate, then up
  TorchLinear down;
};

struct TorchWeights {
  ModelSpec spec;
  ComputeType compute = ComputeType::kF32;
  std::vector<float> rope_factors;  // empty, or one per rotated pair
  at::Tensor embedding;             // [vocab, hidden]
  at::Tensor output;                // [vocab, hidden]; the embedding when tied
  at::Tensor output_norm;           // [hidden] FP32
  std::vector<TorchLayer> layers;
  std::size_t bytes = 0;  // of all of these

  // `compute` must not be kAuto. Throws what LibTorch throws.
  static Result<TorchWeights> load(const ModelFile& model, const EngineOptions& options,
                                   std::int64_t chunk_tokens,
                                   const std::function<void(double)>& progress);
};

// The type of activations and weights.
at::ScalarType torch_type(ComputeType compute);

// What kAuto becomes on this machine; other values stay.
ComputeType resolve_compute(const EngineOptions& options);

}  // namespace sluice::runtime
