// SPDX-License-Identifier: Apache-2.0
// A whole model in one small GGUF file, for tests that start the program itself: it loads at once.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "runtime/tokenizer/byte_alphabet.hpp"
#include "tests/support/gguf_builder.hpp"

namespace sluice::tests {

// What may differ from model to model.
struct TinyModelShape {
  std::uint32_t layers = 2;
  std::uint32_t heads = 4;
  std::uint32_t kv_heads = 2;
  std::uint32_t head_dim = 16;
  bool has_bias = false;  // of Q, K and V
};

// Two heads of K and V unless told otherwise, random weights. A token for each byte, one for each
// two small letters (which no text is encoded to, but most answers are), and one that ends.
class TinyModelFile {
 public:
  static constexpr std::uint32_t kVocab = 256 + 26 * 26 + 1;
  static constexpr std::uint32_t kContext = 1024;

  explicit TinyModelFile(const TinyModelShape& shape = {}) : shape_(shape) {}

  std::string build() {
    describe();
    tokenizer();
    matrix("token_embd.weight", kVocab, kHidden);
    matrix("output.weight", kVocab, kHidden);
    norm("output_norm.weight");
    for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
      const std::string block = "blk." + std::to_string(layer) + ".";
      norm(block + "attn_norm.weight");
      norm(block + "ffn_norm.weight");
      matrix(block + "attn_q.weight", query_width(), kHidden);
      matrix(block + "attn_k.weight", key_width(), kHidden);
      matrix(block + "attn_v.weight", key_width(), kHidden);
      matrix(block + "attn_output.weight", kHidden, query_width());
      matrix(block + "ffn_gate.weight", kFfn, kHidden);
      matrix(block + "ffn_up.weight", kFfn, kHidden);
      matrix(block + "ffn_down.weight", kHidden, kFfn);
      if (!shape_.has_bias) continue;
      bias(block + "attn_q.bias", query_width());
      bias(block + "attn_k.bias", key_width());
      bias(block + "attn_v.bias", key_width());
    }
    return builder_.build();
  }

 private:
  static constexpr std::uint32_t kHidden = 64;
  static constexpr std::uint32_t kFfn = 96;

  std::uint32_t query_width() const { return shape_.heads * shape_.head_dim; }
  std::uint32_t key_width() const { return shape_.kv_heads * shape_.head_dim; }

  void describe() {
    builder_.text("general.architecture", "llama").text("general.name", "tiny");
    builder_.u32("llama.block_count", shape_.layers).u32("llama.context_length", kContext);
    builder_.u32("llama.embedding_length", kHidden).u32("llama.feed_forward_length", kFfn);
    builder_.u32("llama.attention.head_count", shape_.heads);
    builder_.u32("llama.attention.head_count_kv", shape_.kv_heads);
    builder_.u32("llama.attention.key_length", shape_.head_dim);
    builder_.u32("llama.attention.value_length", shape_.head_dim);
    builder_.u32("llama.rope.dimension_count", shape_.head_dim).u32("llama.vocab_size", kVocab);
    builder_.f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
    builder_.f32("llama.rope.freq_base", 10000.0F);
  }
  void tokenizer() {
    std::vector<std::string> pieces;
    std::vector<std::int32_t> types(kVocab, 1);
    for (int byte = 0; byte < 256; ++byte) {
      pieces.push_back(runtime::alphabet_character(static_cast<std::uint8_t>(byte)));
    }
    for (char first = 'a'; first <= 'z'; ++first) {
      for (char second = 'a'; second <= 'z'; ++second) pieces.push_back({first, second});
    }
    pieces.emplace_back("<|endoftext|>");
    types.back() = 3;
    builder_.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "gpt-2");
    builder_.texts("tokenizer.ggml.tokens", pieces).texts("tokenizer.ggml.merges", {});
    builder_.numbers("tokenizer.ggml.token_type", GgufBuilder::kInt32, types);
    builder_.u32("tokenizer.ggml.eos_token_id", kVocab - 1);
  }
  void matrix(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    std::normal_distribution<float> normal(0.0F, 1.0F / std::sqrt(static_cast<float>(columns)));
    fill(name, {rows, columns}, normal);
  }
  void norm(const std::string& name) {
    std::normal_distribution<float> normal(1.0F, 0.2F);
    fill(name, {kHidden}, normal);
  }
  void bias(const std::string& name, std::uint32_t count) {
    std::normal_distribution<float> normal(0.0F, 0.5F);
    fill(name, {count}, normal);
  }
  void fill(const std::string& name, const std::vector<std::uint64_t>& shape,
            std::normal_distribution<float>& normal) {
    std::uint64_t count = 1;
    for (const std::uint64_t extent : shape) count *= extent;
    std::vector<float> values(count);
    for (float& value : values) value = normal(random_);
    builder_.tensor_f32(name, shape, values);
  }

  const TinyModelShape shape_;
  GgufBuilder builder_;
  std::mt19937 random_{1};
};

}  // namespace sluice::tests
