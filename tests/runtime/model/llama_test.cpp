// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/llama.hpp"

#include <gmock/gmock.h>

#include "tests/support/tiny_llama.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using tests::GgufBuilder;
using tests::TinyLlama;

Result<ModelSpec> from_config(const std::string& text) {
  const auto config = ModelConfig::parse(as_bytes(text), "config.json");
  return config ? llama_architecture().spec_from_config(*config)
                : Result<ModelSpec>(config.error());
}

Result<ModelSpec> with_extra(const char* extra) {
  TinyLlama tiny;
  tiny.config_extra = extra;
  return from_config(tiny.config_json());
}

Result<ModelSpec> from_gguf(const GgufBuilder& builder) {
  const tests::TemporaryFolder folder;
  const auto file = GgufFile::open(folder.write("m.gguf", builder.build()));
  return file ? llama_architecture().spec_from_gguf(**file, "m.gguf")
              : Result<ModelSpec>(file.error());
}

TEST(Llama, ReadsTheSpecFromBothFormats) {
  TinyLlama tiny;
  tiny.head_dim = 6;  // not hidden / heads
  tiny.has_bias = true;
  for (const auto& spec : {from_config(tiny.config_json()), from_gguf(tiny.gguf())}) {
    ASSERT_TRUE(spec.has_value()) << spec.error().message;
    EXPECT_EQ(spec->architecture, "llama");
    EXPECT_EQ(spec->layers, 2);
    EXPECT_EQ(spec->hidden, 16);
    EXPECT_EQ(spec->heads, 4);
    EXPECT_EQ(spec->kv_heads, 2);
    EXPECT_EQ(spec->head_dim, 6);
    EXPECT_EQ(spec->ffn, 24);
    EXPECT_EQ(spec->vocab, 10);
    EXPECT_EQ(spec->context_max, 64);
    EXPECT_EQ(spec->rms_epsilon, 0.0009765625);
    EXPECT_TRUE(spec->tied_embeddings);
    EXPECT_TRUE(spec->attention_bias);
    EXPECT_EQ(spec->rope.base, 50000.0);
    EXPECT_EQ(spec->rope.dims, 6);
  }
  EXPECT_EQ(from_config(tiny.config_json())->rope.style, RopeStyle::kHalves);
  EXPECT_EQ(from_gguf(tiny.gguf())->rope.style, RopeStyle::kInterleaved);
}

TEST(Llama, DefaultsWhereTheFormatsHaveThem) {
  const auto spec = from_config(
      R"({"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4,
          "intermediate_size": 8, "vocab_size": 5, "max_position_embeddings": 16})");
  ASSERT_TRUE(spec.has_value()) << spec.error().message;
  EXPECT_EQ(spec->kv_heads, 4);
  EXPECT_EQ(spec->head_dim, 8);
  EXPECT_EQ(spec->rms_epsilon, 1e-6);
  EXPECT_FALSE(spec->tied_embeddings);
  EXPECT_FALSE(spec->attention_bias);
  EXPECT_EQ(with_extra(R"(, "rope_scaling": null)")->rope.scaling, RopeScaling::kNone);
}

TEST(Llama, MissingSettingsAreNamed) {
  EXPECT_EQ(from_config("{}").error().message, "config.json: has no key 'num_hidden_layers'");
  EXPECT_THAT(from_gguf({}).error().message, HasSubstr("has no metadata key 'llama.block_count'"));
}

TEST(Llama, ASlidingWindowBelowTheContextIsUnsupported) {
  const auto error = with_extra(R"(, "sliding_window": 32)").error();
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("sliding window of 32 tokens in a context of 64"));
  EXPECT_TRUE(with_extra(R"(, "sliding_window": null)").has_value());
  EXPECT_TRUE(with_extra(R"(, "sliding_window": 64)").has_value());
  EXPECT_TRUE(with_extra(R"(, "sliding_window": 32, "use_sliding_window": false)").has_value());
  EXPECT_EQ(from_gguf(TinyLlama().gguf().u32("llama.attention.sliding_window", 32)).error().code,
            ErrorCode::kUnsupported);
}

// By transformers' default, which holds where the key is missing.
TEST(Llama, MistralHasASlidingWindowUnlessTheFileSaysOtherwise) {
  const auto with = [](const std::string& name, const std::string& extra) {
    return from_config(
        R"({"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4,
            "intermediate_size": 8, "vocab_size": 5, )" +
        name + extra + "}");
  };
  const std::string mistral = R"("architectures": ["MistralForCausalLM"], "model_type": "mistral")";
  const std::string window = R"(, "sliding_window": )";
  const std::string large = R"(, "max_position_embeddings": 8192)";
  for (const auto& name : {mistral, std::string(R"("model_type": "mistral")")}) {
    const auto missing = with(name, large);
    ASSERT_FALSE(missing.has_value());
    EXPECT_THAT(missing.error().message, HasSubstr("sliding window of 4096 tokens"));
    EXPECT_TRUE(with(name, large + window + "null").has_value());
    EXPECT_TRUE(with(name, large + window + "8192").has_value());
    EXPECT_TRUE(with(name, R"(, "max_position_embeddings": 4096)").has_value());
  }
  EXPECT_TRUE(with(R"("architectures": ["LlamaForCausalLM"])", large).has_value());
}

TEST(Llama, WhatWouldChangeTheAnswersIsUnsupported) {
  EXPECT_THAT(with_extra(R"(, "hidden_act": "gelu")").error().message,
              HasSubstr("the activation 'gelu' is not supported"));
  EXPECT_THAT(from_gguf(TinyLlama().gguf().u32("llama.expert_count", 8)).error().message,
              HasSubstr("mixture of 8 experts"));
  auto builder = GgufBuilder();
  builder.u32("llama.block_count", 1).u32("llama.embedding_length", 16);
  builder.u32("llama.attention.head_count", 4).u32("llama.attention.value_length", 8);
  EXPECT_THAT(from_gguf(builder).error().message, HasSubstr("they must be equal"));
}

}  // namespace
}  // namespace sluice::runtime
