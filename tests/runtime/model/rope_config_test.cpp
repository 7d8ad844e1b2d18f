// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/rope_config.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/support/gguf_builder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using tests::GgufBuilder;

ModelSpec sizes() {
  ModelSpec spec;
  spec.head_dim = 64;
  spec.context_max = 8192;
  return spec;
}

Result<RopeSpec> from_config(std::string_view text) {
  const auto config = ModelConfig::parse(as_bytes(text), "config.json");
  return config ? rope_from_config(*config, sizes()) : Result<RopeSpec>(config.error());
}

Result<RopeSpec> from_gguf(const GgufBuilder& builder) {
  const tests::TemporaryFolder folder;
  const auto file = GgufFile::open(folder.write("m.gguf", builder.build()));
  return file ? rope_from_gguf(**file, "llama", "m.gguf", sizes()) : Result<RopeSpec>(file.error());
}

TEST(RopeConfig, PlainRope) {
  for (const char* text :
       {R"({"rope_theta": 500000.0})", R"({"rope_theta": 500000, "rope_scaling": null})",
        R"({"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}})"}) {
    const auto rope = from_config(text);
    ASSERT_TRUE(rope.has_value()) << rope.error().message;
    EXPECT_EQ(rope->base, 500000.0);
    EXPECT_EQ(rope->dims, 64);
    EXPECT_EQ(rope->scaling, RopeScaling::kNone);
  }
  EXPECT_EQ(from_config("{}")->base, 10000.0);
  EXPECT_EQ(from_gguf({})->base, 10000.0);
  EXPECT_EQ(from_gguf({})->dims, 64);
  const auto rope = from_gguf(GgufBuilder().f32("llama.rope.freq_base", 500000.0F));
  EXPECT_EQ(rope->base, 500000.0);
  EXPECT_EQ(rope->scaling, RopeScaling::kNone);
}

TEST(RopeConfig, PartialRotation) {
  EXPECT_EQ(from_config(R"({"partial_rotary_factor": 0.5})")->dims, 32);
  EXPECT_EQ(from_config(R"({"rope_parameters": {"partial_rotary_factor": 0.25}})")->dims, 16);
  EXPECT_EQ(from_config(R"({"partial_rotary_factor": 2})").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(from_gguf(GgufBuilder().u32("llama.rope.dimension_count", 32))->dims, 32);
}

TEST(RopeConfig, LinearScaling) {
  for (const char* text : {R"({"rope_scaling": {"type": "linear", "factor": 2.5}})",
                           R"({"rope_parameters": {"rope_type": "linear", "factor": 2.5}})"}) {
    EXPECT_EQ(from_config(text)->scaling, RopeScaling::kLinear);
    EXPECT_EQ(from_config(text)->factor, 2.5);
  }
  const auto rope = from_gguf(GgufBuilder()
                                  .text("llama.rope.scaling.type", "linear")
                                  .f32("llama.rope.scaling.factor", 2.5F));
  EXPECT_EQ(rope->scaling, RopeScaling::kLinear);
  EXPECT_EQ(rope->factor, 2.5);
  const auto old = from_gguf(GgufBuilder().f32("llama.rope.scale_linear", 4.0F));
  EXPECT_EQ(old->scaling, RopeScaling::kLinear);
  EXPECT_EQ(old->factor, 4.0);
  const auto none = from_gguf(
      GgufBuilder().text("llama.rope.scaling.type", "none").f32("llama.rope.scaling.factor", 2.5F));
  EXPECT_EQ(none->scaling, RopeScaling::kNone);
}

TEST(RopeConfig, Llama3Scaling) {
  const auto rope = from_config(
      R"({"rope_theta": 500000.0, "rope_scaling": {"factor": 32.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 4096,
          "rope_type": "llama3"}})");
  ASSERT_TRUE(rope.has_value()) << rope.error().message;
  EXPECT_EQ(rope->scaling, RopeScaling::kLlama3);
  EXPECT_EQ(rope->factor, 32.0);
  EXPECT_EQ(rope->original_context, 4096);
  EXPECT_EQ(rope->low_freq_factor, 1.0);
  EXPECT_EQ(rope->high_freq_factor, 4.0);
  EXPECT_THAT(
      from_config(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8}})").error().message,
      HasSubstr("'rope_scaling.low_freq_factor'"));
}

TEST(RopeConfig, YarnScaling) {
  const auto plain = from_config(R"({"rope_scaling": {"type": "yarn", "factor": 4.0}})");
  ASSERT_TRUE(plain.has_value()) << plain.error().message;
  EXPECT_EQ(plain->scaling, RopeScaling::kYarn);
  EXPECT_EQ(plain->original_context, 8192);  // the context, when not given
  EXPECT_EQ(plain->beta_fast, 32.0);
  EXPECT_EQ(plain->attention_factor, 0.0);
  const auto full = from_config(
      R"({"rope_parameters": {"rope_type": "yarn", "factor": 4, "beta_fast": 16, "beta_slow": 2,
          "original_max_position_embeddings": 2048, "attention_factor": 1.25}})");
  EXPECT_EQ(full->original_context, 2048);
  EXPECT_EQ(full->beta_fast, 16.0);
  EXPECT_EQ(full->beta_slow, 2.0);
  EXPECT_EQ(full->attention_factor, 1.25);
  const auto scaled = from_config(
      R"({"rope_scaling": {"type": "yarn", "factor": 4, "mscale": 1, "mscale_all_dim": 0.5}})");
  EXPECT_DOUBLE_EQ(scaled->attention_factor,
                   (0.1 * std::log(4.0) + 1) / (0.05 * std::log(4.0) + 1));
  EXPECT_EQ(from_config(R"({"rope_scaling": {"type": "yarn", "factor": 4, "truncate": false}})")
                .error()
                .code,
            ErrorCode::kUnsupported);
}

TEST(RopeConfig, YarnScalingInGguf) {
  GgufBuilder builder;
  builder.text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4.0F);
  builder.u32("llama.rope.scaling.original_context_length", 2048);
  const auto rope = from_gguf(builder);
  ASSERT_TRUE(rope.has_value()) << rope.error().message;
  EXPECT_EQ(rope->scaling, RopeScaling::kYarn);
  EXPECT_EQ(rope->factor, 4.0);
  EXPECT_EQ(rope->original_context, 2048);
  EXPECT_EQ(rope->attention_factor, 0.0);
  builder.f32("llama.rope.scaling.attn_factor", 0.5F);
  EXPECT_DOUBLE_EQ(from_gguf(builder)->attention_factor, 0.5 * (0.1 * std::log(4.0) + 1));
  builder.f32("llama.rope.scaling.yarn_ext_factor", 0.0F);
  EXPECT_THAT(from_gguf(builder).error().message, HasSubstr("extension factor"));
}

TEST(RopeConfig, OtherScalingsAreUnsupported) {
  const auto config = from_config(R"({"rope_scaling": {"type": "dynamic", "factor": 2}})").error();
  EXPECT_EQ(config.code, ErrorCode::kUnsupported);
  EXPECT_THAT(config.message, HasSubstr("config.json: the RoPE scaling 'dynamic'"));
  const auto gguf = from_gguf(GgufBuilder().text("llama.rope.scaling.type", "longrope")).error();
  EXPECT_EQ(gguf.code, ErrorCode::kUnsupported);
  EXPECT_THAT(gguf.message, HasSubstr("m.gguf: the RoPE scaling 'longrope'"));
}

}  // namespace
}  // namespace sluice::runtime
