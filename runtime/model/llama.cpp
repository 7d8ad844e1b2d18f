// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/llama.hpp"

#include <algorithm>
#include <string>

#include "runtime/model/printable.hpp"
#include "runtime/model/rope_config.hpp"

namespace sluice::runtime {
namespace {

using Shape = std::vector<std::int64_t>;

Shape hidden(const ModelSpec& spec) { return {spec.hidden}; }
Shape vocab_hidden(const ModelSpec& spec) { return {spec.vocab, spec.hidden}; }
Shape query(const ModelSpec& spec) { return {spec.heads * spec.head_dim, spec.hidden}; }
Shape key_value(const ModelSpec& spec) { return {spec.kv_width(), spec.hidden}; }
Shape attention_output(const ModelSpec& spec) { return {spec.hidden, spec.heads * spec.head_dim}; }
Shape ffn_hidden(const ModelSpec& spec) { return {spec.ffn, spec.hidden}; }
Shape hidden_ffn(const ModelSpec& spec) { return {spec.hidden, spec.ffn}; }
Shape query_bias(const ModelSpec& spec) { return {spec.heads * spec.head_dim}; }
Shape key_value_bias(const ModelSpec& spec) { return {spec.kv_width()}; }
Shape rope_pairs(const ModelSpec& spec) { return {spec.rope.dims / 2}; }

// The old names are those of Yi's first releases.
constexpr WeightRow kWeights[] = {
    {WeightRole::kTokenEmbedding, "token_embd.weight", "model.embed_tokens.weight", "",
     Presence::kAlways, vocab_hidden},
    {WeightRole::kOutputNorm, "output_norm.weight", "model.norm.weight", "", Presence::kAlways,
     hidden},
    {WeightRole::kOutput, "output.weight", "lm_head.weight", "", Presence::kUnlessTied,
     vocab_hidden},
    {WeightRole::kAttentionNorm, "blk.{}.attn_norm.weight",
     "model.layers.{}.input_layernorm.weight", "model.layers.{}.ln1.weight", Presence::kAlways,
     hidden},
    {WeightRole::kQuery, "blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight", "",
     Presence::kAlways, query},
    {WeightRole::kKey, "blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight", "",
     Presence::kAlways, key_value},
    {WeightRole::kValue, "blk.{}.attn_v.weight", "model.layers.{}.self_attn.v_proj.weight", "",
     Presence::kAlways, key_value},
    {WeightRole::kAttentionOutput, "blk.{}.attn_output.weight",
     "model.layers.{}.self_attn.o_proj.weight", "", Presence::kAlways, attention_output},
    {WeightRole::kFfnNorm, "blk.{}.ffn_norm.weight",
     "model.layers.{}.post_attention_layernorm.weight", "model.layers.{}.ln2.weight",
     Presence::kAlways, hidden},
    {WeightRole::kGate, "blk.{}.ffn_gate.weight", "model.layers.{}.mlp.gate_proj.weight", "",
     Presence::kAlways, ffn_hidden},
    {WeightRole::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight", "",
     Presence::kAlways, ffn_hidden},
    {WeightRole::kDown, "blk.{}.ffn_down.weight", "model.layers.{}.mlp.down_proj.weight", "",
     Presence::kAlways, hidden_ffn},
    {WeightRole::kQueryBias, "blk.{}.attn_q.bias", "model.layers.{}.self_attn.q_proj.bias", "",
     Presence::kWithBias, query_bias},
    {WeightRole::kKeyBias, "blk.{}.attn_k.bias", "model.layers.{}.self_attn.k_proj.bias", "",
     Presence::kWithBias, key_value_bias},
    {WeightRole::kValueBias, "blk.{}.attn_v.bias", "model.layers.{}.self_attn.v_proj.bias", "",
     Presence::kWithBias, key_value_bias},
    {WeightRole::kRopeFactors, "rope_freqs.weight", "", "", Presence::kOptional, rope_pairs},
    // There is no part to play for these: the bias that attention_bias puts on the output
    // projection, and the frequencies that old files store beside the settings they follow from.
    {WeightRole::kAttentionOutput, "blk.{}.attn_output.bias",
     "model.layers.{}.self_attn.o_proj.bias", "", Presence::kOnlyZero, nullptr},
    {WeightRole::kRopeFactors, "", "model.layers.{}.self_attn.rotary_emb.inv_freq", "",
     Presence::kIgnored, nullptr},
};

// A window smaller than the context changes which tokens are seen; a larger one changes nothing.
Status check_window(std::int64_t window, const ModelSpec& spec, const std::string& source) {
  if (window <= 0 || window >= spec.context_max) return {};
  return make_error(ErrorCode::kUnsupported,
                    source + ": the model attends to a sliding window of " +
                        std::to_string(window) + " tokens in a context of " +
                        std::to_string(spec.context_max) + "; only full attention is supported");
}

Result<std::int64_t> integer_or(const GgufFile& file, const char* key, std::int64_t fallback) {
  return file.find(key) != nullptr ? file.integer(key) : Result<std::int64_t>(fallback);
}

// When neither file format gives it. Zero heads are found by the check of the whole spec.
std::int64_t default_head_dim(const ModelSpec& spec) {
  return spec.heads > 0 ? spec.hidden / spec.heads : 0;
}

Result<ModelSpec> spec_from_gguf(const GgufFile& file, const std::string& source) {
  ModelSpec spec;
  spec.architecture = "llama";
  if (file.find("general.name") != nullptr) spec.name = SLUICE_TRY(file.text("general.name"));
  spec.layers = SLUICE_TRY(file.integer("llama.block_count"));
  spec.hidden = SLUICE_TRY(file.integer("llama.embedding_length"));
  spec.heads = SLUICE_TRY(file.integer("llama.attention.head_count"));
  spec.kv_heads = SLUICE_TRY(integer_or(file, "llama.attention.head_count_kv", spec.heads));
  spec.head_dim =
      SLUICE_TRY(integer_or(file, "llama.attention.key_length", default_head_dim(spec)));
  const auto value_dim =
      SLUICE_TRY(integer_or(file, "llama.attention.value_length", spec.head_dim));
  if (value_dim != spec.head_dim) {
    return make_error(ErrorCode::kUnsupported,
                      source + ": keys of " + std::to_string(spec.head_dim) + " and values of " +
                          std::to_string(value_dim) +
                          " elements per head are not supported; they must be equal");
  }
  spec.ffn = SLUICE_TRY(file.integer("llama.feed_forward_length"));
  spec.context_max = SLUICE_TRY(file.integer("llama.context_length"));
  spec.rms_epsilon = SLUICE_TRY(file.number("llama.attention.layer_norm_rms_epsilon"));
  const auto embedding = file.tensor("token_embd.weight");
  spec.vocab = embedding && embedding->rank == 2 ? embedding->shape[0] : 0;
  spec.vocab = SLUICE_TRY(integer_or(file, "llama.vocab_size", spec.vocab));
  spec.tied_embeddings = !file.tensor("output.weight") && !file.unread_type("output.weight");
  spec.attention_bias = file.tensor("blk.0.attn_q.bias").has_value();
  const auto window = SLUICE_TRY(integer_or(file, "llama.attention.sliding_window", 0));
  SLUICE_TRY(check_window(window, spec, source));
  const auto experts = SLUICE_TRY(integer_or(file, "llama.expert_count", 0));
  if (experts > 0) {
    return make_error(ErrorCode::kUnsupported, source + ": the model is a mixture of " +
                                                   std::to_string(experts) +
                                                   " experts; only dense models are supported");
  }
  spec.rope = SLUICE_TRY(rope_from_gguf(file, "llama", source, spec));
  spec.rope.style = RopeStyle::kInterleaved;
  return spec;
}

// transformers' MistralConfig has a window of 4096 unless the file says otherwise; null says none.
std::int64_t default_window(const ModelConfig& config) {
  constexpr std::int64_t kMistral = 4096;
  if (config.is_null("sliding_window")) return 0;
  const auto classes = config.texts("architectures");
  const auto named = std::find(classes.begin(), classes.end(), "MistralForCausalLM");
  const auto type = config.text_or("model_type", "");
  const bool is_mistral = named != classes.end() || (classes.empty() && type && *type == "mistral");
  return is_mistral ? kMistral : 0;
}

Result<ModelSpec> spec_from_config(const ModelConfig& config) {
  ModelSpec spec;
  spec.architecture = "llama";
  spec.layers = SLUICE_TRY(config.integer("num_hidden_layers"));
  spec.hidden = SLUICE_TRY(config.integer("hidden_size"));
  spec.heads = SLUICE_TRY(config.integer("num_attention_heads"));
  spec.kv_heads = SLUICE_TRY(config.integer_or("num_key_value_heads", spec.heads));
  spec.head_dim = SLUICE_TRY(config.integer_or("head_dim", default_head_dim(spec)));
  spec.ffn = SLUICE_TRY(config.integer("intermediate_size"));
  spec.vocab = SLUICE_TRY(config.integer("vocab_size"));
  spec.context_max = SLUICE_TRY(config.integer("max_position_embeddings"));
  spec.rms_epsilon = SLUICE_TRY(config.number_or("rms_norm_eps", 1e-6));  // transformers' default
  spec.tied_embeddings = SLUICE_TRY(config.boolean_or("tie_word_embeddings", false));
  spec.attention_bias = SLUICE_TRY(config.boolean_or("attention_bias", false));
  const std::string activation = SLUICE_TRY(config.text_or("hidden_act", "silu"));
  if (activation != "silu") {
    return make_error(
        ErrorCode::kUnsupported,
        config.name() + ": the activation " + printable(activation) + " is not supported; silu is");
  }
  const auto window = SLUICE_TRY(config.integer_or("sliding_window", default_window(config)));
  if (SLUICE_TRY(config.boolean_or("use_sliding_window", true))) {
    SLUICE_TRY(check_window(window, spec, config.name()));
  }
  spec.rope = SLUICE_TRY(rope_from_config(config, spec));
  spec.rope.style = RopeStyle::kHalves;
  return spec;
}

constexpr std::string_view kGgufNames[] = {"llama"};
constexpr std::string_view kHfClasses[] = {"LlamaForCausalLM", "MistralForCausalLM",
                                           "YiForCausalLM"};
constexpr std::string_view kHfModelTypes[] = {"llama", "mistral", "yi"};

}  // namespace

Architecture llama_architecture() {
  return {.name = "llama",
          .gguf_names = kGgufNames,
          .hf_classes = kHfClasses,
          .hf_model_types = kHfModelTypes,
          .spec_from_gguf = spec_from_gguf,
          .spec_from_config = spec_from_config,
          .weights = kWeights};
}

}  // namespace sluice::runtime
