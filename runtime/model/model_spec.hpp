// SPDX-License-Identifier: Apache-2.0
// What an engine must know of a model, whatever file it came from.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::runtime {

// Which elements of a head RoPE rotates together. GGUF files of the Llama family store Q and K
// rows permuted for kInterleaved pairs (2i, 2i+1); Hugging Face weights use kHalves (i, i + d/2).
enum class RopeStyle : std::uint8_t { kInterleaved, kHalves };

enum class RopeScaling : std::uint8_t { kNone, kLinear, kLlama3, kYarn };

struct RopeSpec {
  RopeStyle style = RopeStyle::kHalves;
  double base = 10000.0;
  std::int64_t dims = 0;  // rotated elements of a head, from its start
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;
  std::int64_t original_context = 0;  // kLlama3, kYarn
  double low_freq_factor = 1.0;       // kLlama3
  double high_freq_factor = 4.0;      // kLlama3
  double beta_fast = 32.0;            // kYarn
  double beta_slow = 1.0;             // kYarn
  double attention_factor = 0.0;      // kYarn; 0: 0.1 ln(factor) + 1
};

struct ModelSpec {
  std::string architecture;  // "llama"
  std::string name;          // for people
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  // heads: MHA; 1: MQA; between: GQA
  std::int64_t head_dim = 0;
  std::int64_t ffn = 0;
  std::int64_t vocab = 0;
  std::int64_t context_max = 0;  // tokens
  double rms_epsilon = 1e-5;
  bool tied_embeddings = false;
  bool attention_bias = false;
  RopeSpec rope;

  // Elements of K (or of V) that one token has in one layer.
  std::int64_t kv_width() const { return kv_heads * head_dim; }
};

}  // namespace sluice::runtime
