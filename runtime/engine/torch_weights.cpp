// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/torch_weights.hpp"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/cpu/Utils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <omp.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "kernels/elementwise/convert.hpp"
#include "kernels/linear/dequantize.hpp"
#include "runtime/engine/team_failure.hpp"
#include "runtime/engine/torch_attention.hpp"

namespace sluice::runtime {
namespace {

using kernels::dequantize;
using kernels::weight_columns;
using kernels::weight_rows;

// Operators that LibTorch registers by name only.
using ReorderWeight = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);
using PackedLinear = at::Tensor(const at::Tensor&, const at::Tensor&,
                                const std::optional<at::Tensor>&, std::string_view,
                                c10::List<std::optional<at::Scalar>>,
                                std::optional<std::string_view>);

std::optional<c10::OperatorHandle> find_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchema({name, ""});
}

// Rows of `view` to rows of `to` from `first_row` on, through FP32 in pieces.
void convert_weight(const TensorView& view, at::Tensor& to, std::int64_t first_row) {
  constexpr std::int64_t kPieceRows = 64;
  const std::int64_t rows = weight_rows(view);
  const std::int64_t columns = weight_columns(view);
  const DType dtype = to.scalar_type() == at::kFloat ? DType::kF32 : DType::kBF16;
  auto* base = static_cast<std::byte*>(to.data_ptr());
  const auto row_bytes = static_cast<std::int64_t>(dtype_block_bytes(dtype)) * columns;
  TeamFailure failure;
#pragma omp parallel
  {
    std::vector<float> piece;
    failure.guard([&] { piece.resize(static_cast<std::size_t>(kPieceRows * columns)); });
#pragma omp for schedule(static)
    for (std::int64_t row = 0; row < rows; row += kPieceRows) {
      if (failure.is_set()) continue;
      const std::int64_t count = std::min(kPieceRows, rows - row);
      dequantize(view, row, count, piece.data());
      kernels::convert_rows(count, columns, {piece.data(), DType::kF32, columns},
                            {base + (first_row + row) * row_bytes, dtype, columns});
    }
  }
  failure.rethrow();
}

class Loader {
 public:
  Loader(const ModelFile& model, ComputeType compute, Device device, std::size_t& bytes)
      : model_(model), type_(torch_type(compute)), device_(device), bytes_(bytes) {}

  // The matrices of `roles` under one another.
  Result<at::Tensor> stack(std::span<const WeightRole> roles, std::int64_t layer,
                           at::ScalarType type) {
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::vector<TensorView> views;
    for (const WeightRole role : roles) {
      const auto view = model_.weight(role, layer);
      if (!view) return missing(role, layer);
      views.push_back(*view);
      const bool is_vector = view->rank == 1;
      rows += is_vector ? weight_columns(*view) : weight_rows(*view);
      columns = is_vector ? 1 : weight_columns(*view);
    }
    at::Tensor stacked = at::empty({rows, columns}, at::TensorOptions().dtype(type));
    std::int64_t row = 0;
    for (TensorView view : views) {
      if (view.rank == 1) {
        // A column of single elements, so that vectors stack like matrices.
        at::Tensor part = stacked.narrow(0, row, weight_columns(view)).view({1, -1});
        convert_weight(view, part, 0);
        row += weight_columns(view);
      } else {
        convert_weight(view, stacked, row);
        row += weight_rows(view);
      }
    }
    bytes_ += stacked.nbytes();
    if (views.front().rank == 1) stacked = stacked.view({-1});
    return device_ == Device::kCuda ? stacked.to(at::kCUDA) : stacked;
  }

  Result<at::Tensor> norm(WeightRole role, std::int64_t layer) {
    return stack(std::span(&role, 1), layer, at::kFloat);
  }

  Result<TorchLinear> linear(std::initializer_list<WeightRole> roles,
                             std::initializer_list<WeightRole> biases, std::int64_t layer,
                             std::int64_t tokens) {
    at::Tensor weight = SLUICE_TRY(stack({roles.begin(), roles.size()}, layer, type_));
    at::Tensor bias;
    if (biases.size() != 0) bias = SLUICE_TRY(stack({biases.begin(), biases.size()}, layer, type_));
    return TorchLinear(std::move(weight), std::move(bias), tokens);
  }

 private:
  static Error missing(WeightRole role, std::int64_t layer) {
    return make_error(ErrorCode::kCorrupt, "the model lacks weight " +
                                               std::to_string(static_cast<int>(role)) +
                                               " of layer " + std::to_string(layer));
  }

  const ModelFile& model_;
  at::ScalarType type_;
  Device device_;
  std::size_t& bytes_;
};

Result<TorchLayer> load_layer(Loader& loader, const ModelSpec& spec, std::int64_t layer,
                              std::int64_t tokens) {
  using enum WeightRole;
  TorchLayer result;
  result.attention_norm = SLUICE_TRY(loader.norm(kAttentionNorm, layer));
  result.ffn_norm = SLUICE_TRY(loader.norm(kFfnNorm, layer));
  result.qkv = spec.attention_bias
                   ? SLUICE_TRY(loader.linear({kQuery, kKey, kValue},
                                              {kQueryBias, kKeyBias, kValueBias}, layer, tokens))
                   : SLUICE_TRY(loader.linear({kQuery, kKey, kValue}, {}, layer, tokens));
  result.attention_output = SLUICE_TRY(loader.linear({kAttentionOutput}, {}, layer, tokens));
  result.gate_up = SLUICE_TRY(loader.linear({kGate, kUp}, {}, layer, tokens));
  result.down = SLUICE_TRY(loader.linear({kDown}, {}, layer, tokens));
  return result;
}

}  // namespace

TorchLinear::TorchLinear(at::Tensor weight, at::Tensor bias, std::int64_t tokens)
    : weight_(std::move(weight)), bias_(std::move(bias)) {
  const auto reorder = find_operator("mkldnn::_reorder_linear_weight");
  if (!weight_.is_cpu() || !reorder || !find_operator("mkldnn::_linear_pointwise") ||
      !at::globalContext().userEnabledMkldnn() || !at::globalContext().hasMKLDNN()) {
    return;
  }
  // oneDNN refuses to pack BF16 for a CPU that computes it in no way of its own.
  if (weight_.scalar_type() == at::kBFloat16 && !has_bf16_attention()) return;
  weight_ = reorder->typed<ReorderWeight>().call(weight_, c10::SymInt(tokens));
  is_packed_ = true;
}

at::Tensor TorchLinear::apply(const at::Tensor& x) const {
  const auto bias = bias_.defined() ? std::optional(bias_) : std::nullopt;
  if (!is_packed_) return at::linear(x, weight_, bias);
  static const auto packed_linear = c10::Dispatcher::singleton()
                                        .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                                        .typed<PackedLinear>();
  return packed_linear.call(x, weight_, bias, "none", c10::List<std::optional<at::Scalar>>(),
                            std::nullopt);
}

Result<TorchWeights> TorchWeights::load(const ModelFile& model, const EngineOptions& options,
                                        std::int64_t chunk_tokens,
                                        const std::function<void(double)>& progress) {
  using enum WeightRole;
  TorchWeights weights;
  weights.spec = model.spec();
  weights.compute = options.compute;
  const ModelSpec& spec = weights.spec;
  Loader loader(model, options.compute, options.device, weights.bytes);
  if (const auto factors = model.weight(kRopeFactors)) {
    weights.rope_factors.assign(factors->as<float>(), factors->as<float>() + factors->elements());
  }
  const auto type = torch_type(options.compute);
  const WeightRole embedding = kTokenEmbedding;
  const WeightRole output = kOutput;
  weights.embedding = SLUICE_TRY(loader.stack({&embedding, 1}, 0, type));
  weights.output =
      spec.tied_embeddings ? weights.embedding : SLUICE_TRY(loader.stack({&output, 1}, 0, type));
  weights.output_norm = SLUICE_TRY(loader.norm(kOutputNorm, 0));
  for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
    weights.layers.push_back(SLUICE_TRY(load_layer(loader, spec, layer, chunk_tokens)));
    if (progress) progress(static_cast<double>(layer + 1) / static_cast<double>(spec.layers));
  }
  return weights;
}

at::ScalarType torch_type(ComputeType compute) {
  return compute == ComputeType::kBF16 ? at::kBFloat16 : at::kFloat;
}

ComputeType resolve_compute(const EngineOptions& options) {
  if (options.compute != ComputeType::kAuto) return options.compute;
  if (options.device == Device::kCuda) return ComputeType::kBF16;
  const auto capabilities = at::cpu::get_cpu_capabilities();
  const auto has = [&](const char* name) {
    const auto found = capabilities.find(name);
    return found != capabilities.end() && found->second.isBool() && found->second.toBool();
  };
  // The second question also sees limits put on oneDNN.
  const bool is_fast = (has("avx512_bf16") || has("amx_bf16")) && has_bf16_attention();
  return is_fast ? ComputeType::kBF16 : ComputeType::kF32;
}

}  // namespace sluice::runtime
