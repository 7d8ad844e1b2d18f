// SPDX-License-Identifier: Apache-2.0
// The model architectures that can be loaded: one table row each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/model/gguf_file.hpp"
#include "runtime/model/model_config.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/model/model_spec.hpp"

namespace sluice::runtime {

// When a weight has to be in the file.
enum class Presence : std::uint8_t {
  kAlways,
  kUnlessTied,  // kOutput: without it, and with tied embeddings, the embedding stands in
  kWithBias,    // exactly when spec.attention_bias
  kOptional,    // used when there
  kOnlyZero,    // has no role: may be there if it changes nothing, being all zeros
  kIgnored,     // has no role and changes nothing (a stored copy of something computed)
};

struct WeightRow {
  WeightRole role = WeightRole::kTokenEmbedding;
  // "{}" stands for the layer's number and makes the weight one per layer. Empty: the format has
  // no such tensor.
  std::string_view gguf_name;
  std::string_view hf_name;
  std::string_view hf_old_name;  // another name for the same, tried second
  Presence presence = Presence::kAlways;
  // Row-major, null for kIgnored and kOnlyZero.
  std::vector<std::int64_t> (*shape)(const ModelSpec& spec) = nullptr;
};

struct Architecture {
  std::string_view name;
  std::span<const std::string_view> gguf_names;      // values of general.architecture
  std::span<const std::string_view> hf_classes;      // values of "architectures" in config.json
  std::span<const std::string_view> hf_model_types;  // values of "model_type", lower case
  Result<ModelSpec> (*spec_from_gguf)(const GgufFile& file, const std::string& source);
  Result<ModelSpec> (*spec_from_config)(const ModelConfig& config);
  std::span<const WeightRow> weights;
};

std::span<const Architecture> architectures();

// kUnsupported with the known names when the file's is none of them. `source` opens the message.
Result<const Architecture*> architecture_of_gguf(const GgufFile& file, const std::string& source);
Result<const Architecture*> architecture_of_config(const ModelConfig& config);

}  // namespace sluice::runtime
