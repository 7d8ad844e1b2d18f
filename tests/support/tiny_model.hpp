// SPDX-License-Identifier: Apache-2.0
// A model without a file: any spec, seeded random weights of a sensible size.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "kernels/core/tensor_view.hpp"
#include "runtime/model/model_file.hpp"

namespace sluice::runtime {

// Grouped heads, untied, two layers; tests change what they are about.
inline ModelSpec tiny_spec() {
  ModelSpec spec;
  spec.architecture = "llama";
  spec.name = "tiny";
  spec.layers = 2;
  spec.hidden = 48;
  spec.heads = 6;
  spec.kv_heads = 2;
  spec.head_dim = 8;
  spec.ffn = 80;
  spec.vocab = 97;
  spec.context_max = 512;
  spec.rope.dims = 8;
  return spec;
}

class TinyModel final : public ModelFile {
 public:
  // `dtype` of the matrices: kF32 or kBF16 (the same numbers, rounded); norms and biases are FP32.
  explicit TinyModel(ModelSpec spec, unsigned seed = 1, DType dtype = DType::kF32)
      : spec_(std::move(spec)), generator_(seed), dtype_(dtype) {
    const std::int64_t width = spec_.heads * spec_.head_dim;
    matrix(WeightRole::kTokenEmbedding, 0, spec_.vocab, spec_.hidden);
    if (!spec_.tied_embeddings) matrix(WeightRole::kOutput, 0, spec_.vocab, spec_.hidden);
    vector(WeightRole::kOutputNorm, 0, spec_.hidden, 1.0F);
    for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
      vector(WeightRole::kAttentionNorm, layer, spec_.hidden, 1.0F);
      vector(WeightRole::kFfnNorm, layer, spec_.hidden, 1.0F);
      matrix(WeightRole::kQuery, layer, width, spec_.hidden);
      matrix(WeightRole::kKey, layer, spec_.kv_width(), spec_.hidden);
      matrix(WeightRole::kValue, layer, spec_.kv_width(), spec_.hidden);
      matrix(WeightRole::kAttentionOutput, layer, spec_.hidden, width);
      matrix(WeightRole::kGate, layer, spec_.ffn, spec_.hidden);
      matrix(WeightRole::kUp, layer, spec_.ffn, spec_.hidden);
      matrix(WeightRole::kDown, layer, spec_.hidden, spec_.ffn);
      if (!spec_.attention_bias) continue;
      vector(WeightRole::kQueryBias, layer, width, 0.0F);
      vector(WeightRole::kKeyBias, layer, spec_.kv_width(), 0.0F);
      vector(WeightRole::kValueBias, layer, spec_.kv_width(), 0.0F);
    }
  }

  const ModelSpec& spec() const override { return spec_; }

  std::optional<TensorView> weight(WeightRole role, std::int64_t layer) const override {
    if (role == WeightRole::kOutput && spec_.tied_embeddings) role = WeightRole::kTokenEmbedding;
    const bool is_per_layer = role >= WeightRole::kAttentionNorm && role <= WeightRole::kValueBias;
    const auto found = weights_.find({role, is_per_layer ? layer : 0});
    if (found == weights_.end()) return std::nullopt;
    TensorView view = found->second.view;
    view.data = reinterpret_cast<const std::byte*>(found->second.words.data());
    return view;
  }

  // For tests of what an engine says about models that open() would have refused.
  void drop(WeightRole role, std::int64_t layer = 0) { weights_.erase({role, layer}); }

  const GgufFile* gguf() const override { return nullptr; }
  const std::filesystem::path& path() const override { return path_; }
  std::uint64_t fingerprint() const override { return 1; }

 private:
  struct Weight {
    std::vector<std::uint32_t> words;
    TensorView view;  // without its pointer
  };

  // Elements of size 1/sqrt(columns), so that activations keep theirs.
  void matrix(WeightRole role, std::int64_t layer, std::int64_t rows, std::int64_t columns) {
    std::normal_distribution<float> normal(0.0F, 1.0F / std::sqrt(static_cast<float>(columns)));
    Weight weight;
    weight.view.dtype = dtype_;
    weight.view.rank = 2;
    weight.view.shape = {rows, columns};
    weight.words.resize((weight.view.bytes() + 3) / 4);
    auto* bytes = reinterpret_cast<std::byte*>(weight.words.data());
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      const float value = normal(generator_);
      const std::uint16_t half = bf16_from_f32(value);
      if (dtype_ == DType::kF32) std::memcpy(bytes + 4 * i, &value, 4);
      if (dtype_ == DType::kBF16) std::memcpy(bytes + 2 * i, &half, 2);
    }
    weights_[{role, layer}] = std::move(weight);
  }

  void vector(WeightRole role, std::int64_t layer, std::int64_t count, float middle) {
    std::normal_distribution<float> normal(middle, 0.2F);
    Weight weight;
    weight.view.dtype = DType::kF32;
    weight.view.rank = 1;
    weight.view.shape = {count};
    weight.words.resize(static_cast<std::size_t>(count));
    for (auto& word : weight.words) word = std::bit_cast<std::uint32_t>(normal(generator_));
    weights_[{role, layer}] = std::move(weight);
  }

  ModelSpec spec_;
  std::mt19937 generator_;
  DType dtype_;
  std::map<std::pair<WeightRole, std::int64_t>, Weight> weights_;
  std::filesystem::path path_ = "tiny";
};

}  // namespace sluice::runtime
