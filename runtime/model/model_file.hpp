// SPDX-License-Identifier: Apache-2.0
// A model on disk, memory-mapped: its spec and its weights, from a GGUF file or a Hugging Face
// folder. Nothing is copied; views stay valid as long as the ModelFile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "kernels/core/result.hpp"
#include "kernels/core/tensor_view.hpp"
#include "runtime/model/model_spec.hpp"

namespace sluice::runtime {

class GgufFile;

// The part a tensor plays; each format's own names live in the architecture table.
enum class WeightRole : std::uint8_t {
  kTokenEmbedding,   // [vocab, hidden]
  kOutputNorm,       // [hidden]
  kOutput,           // [vocab, hidden]; the embedding when tied
  kAttentionNorm,    // [hidden], per layer from here on
  kQuery,            // [heads * head_dim, hidden]
  kKey,              // [kv_heads * head_dim, hidden]
  kValue,            // [kv_heads * head_dim, hidden]
  kAttentionOutput,  // [hidden, heads * head_dim]
  kFfnNorm,          // [hidden]
  kGate,             // [ffn, hidden]
  kUp,               // [ffn, hidden]
  kDown,             // [hidden, ffn]
  kQueryBias,        // [heads * head_dim], if spec.attention_bias
  kKeyBias,
  kValueBias,
  kRopeFactors,  // [dims / 2] F32 divisors of the frequencies (Llama-3 GGUF); optional
};

class ModelFile {
 public:
  virtual ~ModelFile() = default;

  // `path`: a .gguf file, or a folder with config.json and safetensors (single or sharded).
  // kNotFound, kCorrupt (lying sizes, offsets or headers), kUnsupported (architecture, dtype).
  static Result<std::unique_ptr<ModelFile>> open(const std::filesystem::path& path);

  virtual const ModelSpec& spec() const = 0;

  // Every required weight was checked for presence and shape by open(). `layer` is ignored for the
  // roles above kAttentionNorm. Empty when the model has no such (optional) weight.
  virtual std::optional<TensorView> weight(WeightRole role, std::int64_t layer = 0) const = 0;

  // The GGUF behind it, for its tokenizer; null for a Hugging Face folder.
  virtual const GgufFile* gguf() const = 0;
  virtual const std::filesystem::path& path() const = 0;

  // Same weights, same number (spec, tensor directory and sampled contents): P and D compare it.
  virtual std::uint64_t fingerprint() const = 0;
};

}  // namespace sluice::runtime
