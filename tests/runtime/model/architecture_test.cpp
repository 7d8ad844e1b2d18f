// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/architecture.hpp"

#include <gmock/gmock.h>

#include <set>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

Result<const Architecture*> from_config(std::string_view text) {
  auto config = ModelConfig::parse(as_bytes(text), "config.json");
  if (!config) return config.error();
  return architecture_of_config(*config);
}

TEST(Architecture, EveryRowIsComplete) {
  std::set<std::string_view> names;
  for (const auto& architecture : architectures()) {
    EXPECT_TRUE(names.insert(architecture.name).second);
    EXPECT_NE(architecture.spec_from_gguf, nullptr);
    EXPECT_NE(architecture.spec_from_config, nullptr);
    for (const auto& row : architecture.weights) {
      const bool has_role =
          row.presence != Presence::kIgnored && row.presence != Presence::kOnlyZero;
      EXPECT_EQ(row.shape != nullptr, has_role) << row.hf_name << row.gguf_name;
    }
  }
}

TEST(Architecture, KnownClassesAreFound) {
  for (const char* name : {"LlamaForCausalLM", "MistralForCausalLM", "YiForCausalLM"}) {
    const auto found = from_config(R"({"architectures": [")" + std::string(name) + R"("]})");
    ASSERT_TRUE(found.has_value()) << found.error().message;
    EXPECT_EQ((*found)->name, "llama");
  }
  EXPECT_TRUE(from_config(R"({"model_type": "Yi"})").has_value());
  EXPECT_TRUE(from_config(R"({"model_type": "mistral"})").has_value());
}

TEST(Architecture, UnknownOnesAreNamedWithTheKnown) {
  const auto error =
      from_config(R"({"architectures": ["Qwen9ForCausalLM"], "model_type": "llama"})").error();
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_EQ(error.message,
            "config.json: the architecture 'Qwen9ForCausalLM' is not supported; known are: "
            "LlamaForCausalLM, MistralForCausalLM, YiForCausalLM");
  EXPECT_THAT(from_config(R"({"model_type": "t5"})").error().message, HasSubstr("'t5' is not"));
  EXPECT_EQ(from_config("{}").error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::runtime
