// SPDX-License-Identifier: Apache-2.0
// GGUF keys: ggml repository, docs/gguf.md, "RoPE"; the config.json keys: Hugging Face
// transformers, modeling_rope_utils.
#include "runtime/model/rope_config.hpp"

#include <cmath>
#include <optional>

#include "runtime/model/printable.hpp"

namespace sluice::runtime {
namespace {

constexpr double kBaseDefault = 10000.0;  // of Llama 1 and of the GGUF format

// The softmax temperature of YaRN (arXiv 2309.00071, section 3.4), as a factor on cosine and sine.
double yarn_magnitude(double factor, double weight = 1.0) {
  return factor > 1.0 ? 0.1 * weight * std::log(factor) + 1.0 : 1.0;
}

Result<double> number_or(const GgufFile& file, const std::string& key, double fallback) {
  return file.find(key) != nullptr ? file.number(key) : Result<double>(fallback);
}

Result<std::int64_t> integer_or(const GgufFile& file, const std::string& key,
                                std::int64_t fallback) {
  return file.find(key) != nullptr ? file.integer(key) : Result<std::int64_t>(fallback);
}

Status read_gguf_yarn(const GgufFile& file, const std::string& scaling, const std::string& source,
                      RopeSpec& rope) {
  rope.scaling = RopeScaling::kYarn;
  rope.beta_fast = SLUICE_TRY(number_or(file, scaling + "yarn_beta_fast", rope.beta_fast));
  rope.beta_slow = SLUICE_TRY(number_or(file, scaling + "yarn_beta_slow", rope.beta_slow));
  const double extension = SLUICE_TRY(number_or(file, scaling + "yarn_ext_factor", 1.0));
  if (extension != 1.0 && extension != -1.0) {  // -1: the format's word for the default
    return make_error(ErrorCode::kUnsupported, source + ": the YaRN extension factor " +
                                                   std::to_string(extension) +
                                                   " is not supported; only 1 is");
  }
  // The format's factor multiplies what YaRN computes; RopeSpec's replaces it.
  double weight = SLUICE_TRY(number_or(file, scaling + "attn_factor", 1.0));
  weight = SLUICE_TRY(number_or(file, scaling + "yarn_attn_factor", weight));
  if (weight != 1.0) rope.attention_factor = weight * yarn_magnitude(rope.factor);
  return {};
}

}  // namespace

Result<RopeSpec> rope_from_gguf(const GgufFile& file, const std::string& prefix,
                                const std::string& source, const ModelSpec& spec) {
  RopeSpec rope;
  rope.base = SLUICE_TRY(number_or(file, prefix + ".rope.freq_base", kBaseDefault));
  rope.dims = SLUICE_TRY(integer_or(file, prefix + ".rope.dimension_count", spec.head_dim));
  // Files from before scaling.type existed have scale_linear alone.
  double factor = SLUICE_TRY(number_or(file, prefix + ".rope.scale_linear", 1.0));
  factor = SLUICE_TRY(number_or(file, prefix + ".rope.scaling.factor", factor));
  rope.factor = factor == 0.0 ? 1.0 : factor;
  const std::string type_key = prefix + ".rope.scaling.type";
  const std::string type =
      file.find(type_key) != nullptr ? SLUICE_TRY(file.text(type_key)) : std::string("linear");
  if (type == "none") {
    rope.factor = 1.0;
  } else if (type == "linear") {
    if (rope.factor != 1.0) rope.scaling = RopeScaling::kLinear;
  } else if (type == "yarn") {
    const std::string scaling = prefix + ".rope.scaling.";
    rope.original_context =
        SLUICE_TRY(integer_or(file, scaling + "original_context_length", spec.context_max));
    SLUICE_TRY(read_gguf_yarn(file, scaling, source, rope));
  } else {
    return make_error(ErrorCode::kUnsupported, source + ": the RoPE scaling " + printable(type) +
                                                   " is not supported; none, linear and yarn are");
  }
  return rope;
}

namespace {

Status read_config_yarn(const ModelConfig& config, const std::string& section, RopeSpec& rope) {
  rope.scaling = RopeScaling::kYarn;
  rope.beta_fast = SLUICE_TRY(config.number_or(section + ".beta_fast", rope.beta_fast));
  rope.beta_slow = SLUICE_TRY(config.number_or(section + ".beta_slow", rope.beta_slow));
  if (!SLUICE_TRY(config.boolean_or(section + ".truncate", true))) {
    return make_error(ErrorCode::kUnsupported,
                      config.name() + ": YaRN with truncate = false is not supported");
  }
  rope.attention_factor = SLUICE_TRY(config.number_or(section + ".attention_factor", 0.0));
  const double mscale = SLUICE_TRY(config.number_or(section + ".mscale", 0.0));
  const double mscale_all_dim = SLUICE_TRY(config.number_or(section + ".mscale_all_dim", 0.0));
  if (rope.attention_factor == 0.0 && mscale != 0.0 && mscale_all_dim != 0.0) {
    rope.attention_factor =
        yarn_magnitude(rope.factor, mscale) / yarn_magnitude(rope.factor, mscale_all_dim);
  }
  return {};
}

Result<std::int64_t> config_original_context(const ModelConfig& config, const std::string& section,
                                             const ModelSpec& spec) {
  constexpr const char* kKey = "original_max_position_embeddings";
  if (config.has(kKey)) return config.integer(kKey);
  return config.integer_or(section + "." + kKey, spec.context_max);
}

}  // namespace

Result<RopeSpec> rope_from_config(const ModelConfig& config, const ModelSpec& spec) {
  const std::string section =
      config.has_object("rope_parameters") ? "rope_parameters" : "rope_scaling";
  RopeSpec rope;
  rope.base = SLUICE_TRY(config.number_or("rope_theta", kBaseDefault));
  rope.base = SLUICE_TRY(config.number_or(section + ".rope_theta", rope.base));
  double share = SLUICE_TRY(config.number_or("partial_rotary_factor", 1.0));
  share = SLUICE_TRY(config.number_or(section + ".partial_rotary_factor", share));
  if (!(share > 0.0 && share <= 1.0)) {
    return make_error(ErrorCode::kCorrupt,
                      config.name() + ": partial_rotary_factor is not above 0 and up to 1");
  }
  rope.dims = static_cast<std::int64_t>(static_cast<double>(spec.head_dim) * share);
  std::string type = SLUICE_TRY(config.text_or(section + ".type", "default"));
  type = SLUICE_TRY(config.text_or(section + ".rope_type", type));
  if (type == "default") return rope;
  rope.factor = SLUICE_TRY(config.number(section + ".factor"));
  if (type == "linear") {
    rope.scaling = RopeScaling::kLinear;
    return rope;
  }
  rope.original_context = SLUICE_TRY(config_original_context(config, section, spec));
  if (type == "llama3") {
    rope.scaling = RopeScaling::kLlama3;
    rope.low_freq_factor = SLUICE_TRY(config.number(section + ".low_freq_factor"));
    rope.high_freq_factor = SLUICE_TRY(config.number(section + ".high_freq_factor"));
  } else if (type == "yarn") {
    SLUICE_TRY(read_config_yarn(config, section, rope));
  } else {
    return make_error(ErrorCode::kUnsupported,
                      config.name() + ": the RoPE scaling " + printable(type) +
                          " is not supported; default, linear, llama3 and yarn are");
  }
  return rope;
}

}  // namespace sluice::runtime
