// SPDX-License-Identifier: Apache-2.0
// A Llama of a few hundred weights, written as GGUF or as a Hugging Face folder.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/gguf_builder.hpp"
#include "tests/support/safetensors_builder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::tests {

struct TinyLlama {
  std::uint32_t layers = 2;
  std::uint32_t hidden = 16;
  std::uint32_t heads = 4;
  std::uint32_t kv_heads = 2;
  std::uint32_t head_dim = 4;
  std::uint32_t ffn = 24;
  std::uint32_t vocab = 10;
  std::uint32_t context = 64;
  bool is_tied = true;
  bool has_bias = false;
  std::string config_extra;  // ", \"key\": value" for config.json

  struct Weight {
    std::string gguf_name;
    std::string hf_name;
    std::vector<std::uint64_t> shape;
    std::vector<float> values;    // in Hugging Face's order
    std::uint32_t rotated_heads;  // not 0: GGUF stores the rows of so many heads permuted
  };

  std::vector<Weight> weights() const {
    std::vector<Weight> list;
    const std::uint64_t query = std::uint64_t{heads} * head_dim;
    const std::uint64_t key = std::uint64_t{kv_heads} * head_dim;
    add(list, "token_embd.weight", "model.embed_tokens.weight", {vocab, hidden});
    add(list, "output_norm.weight", "model.norm.weight", {hidden});
    if (!is_tied) add(list, "output.weight", "lm_head.weight", {vocab, hidden});
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      const std::string blk = "blk." + std::to_string(layer) + ".";
      const std::string hf = "model.layers." + std::to_string(layer) + ".";
      add(list, blk + "attn_norm.weight", hf + "input_layernorm.weight", {hidden});
      add(list, blk + "attn_q.weight", hf + "self_attn.q_proj.weight", {query, hidden}, heads);
      add(list, blk + "attn_k.weight", hf + "self_attn.k_proj.weight", {key, hidden}, kv_heads);
      add(list, blk + "attn_v.weight", hf + "self_attn.v_proj.weight", {key, hidden});
      add(list, blk + "attn_output.weight", hf + "self_attn.o_proj.weight", {hidden, query});
      add(list, blk + "ffn_norm.weight", hf + "post_attention_layernorm.weight", {hidden});
      add(list, blk + "ffn_gate.weight", hf + "mlp.gate_proj.weight", {ffn, hidden});
      add(list, blk + "ffn_up.weight", hf + "mlp.up_proj.weight", {ffn, hidden});
      add(list, blk + "ffn_down.weight", hf + "mlp.down_proj.weight", {hidden, ffn});
      if (!has_bias) continue;
      add(list, blk + "attn_q.bias", hf + "self_attn.q_proj.bias", {query}, heads);
      add(list, blk + "attn_k.bias", hf + "self_attn.k_proj.bias", {key}, kv_heads);
      add(list, blk + "attn_v.bias", hf + "self_attn.v_proj.bias", {key});
    }
    return list;
  }

  GgufBuilder gguf_metadata() const {
    GgufBuilder builder;
    builder.text("general.architecture", "llama").text("general.name", "tiny");
    builder.u32("llama.block_count", layers).u32("llama.context_length", context);
    builder.u32("llama.embedding_length", hidden).u32("llama.feed_forward_length", ffn);
    builder.u32("llama.attention.head_count", heads);
    builder.u32("llama.attention.head_count_kv", kv_heads);
    builder.u32("llama.attention.key_length", head_dim);
    builder.u32("llama.attention.value_length", head_dim);
    builder.f32("llama.attention.layer_norm_rms_epsilon", 0.0009765625F);
    builder.f32("llama.rope.freq_base", 50000.0F);
    return builder;
  }

  GgufBuilder gguf() const {
    GgufBuilder builder = gguf_metadata();
    for (const auto& weight : weights()) {
      builder.tensor_f32(weight.gguf_name, weight.shape, gguf_values(weight));
    }
    return builder;
  }

  std::string config_json() const {
    const auto field = [](const char* key, std::uint32_t value) {
      // By appending: g++ 12 sees overlaps that are not there in a sum that starts with a literal.
      return std::string("\"")
          .append(key)
          .append("\": ")
          .append(std::to_string(value))
          .append(", ");
    };
    return std::string("{") + field("num_hidden_layers", layers) + field("hidden_size", hidden) +
           field("num_attention_heads", heads) + field("num_key_value_heads", kv_heads) +
           field("head_dim", head_dim) + field("intermediate_size", ffn) +
           field("vocab_size", vocab) + field("max_position_embeddings", context) +
           "\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", " +
           "\"rms_norm_eps\": 0.0009765625, \"rope_theta\": 50000.0, " +
           "\"tie_word_embeddings\": " + (is_tied ? "true" : "false") +
           ", \"attention_bias\": " + (has_bias ? "true" : "false") + config_extra + "}";
  }

  void write_folder(const TemporaryFolder& folder, std::size_t shards = 1) const {
    folder.write("config.json", config_json());
    std::vector<SafetensorsBuilder> parts(shards);
    std::string map;
    std::size_t next = 0;
    const auto shard_name = [&](std::size_t shard) {
      return shards == 1 ? std::string("model.safetensors")
                         : std::string("model-").append(std::to_string(shard)) + ".safetensors";
    };
    for (const auto& weight : weights()) {
      const std::size_t shard = next++ % shards;
      parts[shard].tensor_f32(weight.hf_name, weight.shape, weight.values);
      map.append(map.empty() ? "\"" : ", \"").append(weight.hf_name).append("\": \"");
      map.append(shard_name(shard)).append("\"");
    }
    for (std::size_t shard = 0; shard < shards; ++shard) {
      folder.write(shard_name(shard), parts[shard].build());
    }
    if (shards > 1) {
      folder.write("model.safetensors.index.json",
                   std::string("{\"metadata\": {}, \"weight_map\": {").append(map) + "}}");
    }
  }

  // Row 2i + j of a head in GGUF is row i + j * d/2 in Hugging Face.
  std::vector<float> gguf_values(const Weight& weight) const {
    if (weight.rotated_heads == 0) return weight.values;
    const std::size_t columns = weight.shape.size() == 2 ? weight.shape[1] : 1;
    std::vector<float> out(weight.values.size());
    for (std::size_t row = 0; row < weight.shape[0]; ++row) {
      const std::size_t head = row / head_dim;
      const std::size_t in_head = row % head_dim;
      const std::size_t source = head * head_dim + in_head / 2 + in_head % 2 * (head_dim / 2);
      for (std::size_t column = 0; column < columns; ++column) {
        out[row * columns + column] = weight.values[source * columns + column];
      }
    }
    return out;
  }

 private:
  static void add(std::vector<Weight>& list, const std::string& gguf_name,
                  const std::string& hf_name, std::vector<std::uint64_t> shape,
                  std::uint32_t rotated_heads = 0) {
    std::size_t count = 1;
    for (const std::uint64_t extent : shape) count *= extent;
    std::vector<float> values(count);
    // Any values that differ from each other and from tensor to tensor.
    std::uint32_t state = static_cast<std::uint32_t>(list.size()) * 7919U + 1U;
    for (float& value : values) {
      state = state * 1664525U + 1013904223U;
      value = static_cast<float>(state >> 8) / 16777216.0F - 0.5F;
    }
    list.push_back({gguf_name, hf_name, std::move(shape), std::move(values), rotated_heads});
  }
};

}  // namespace sluice::tests
