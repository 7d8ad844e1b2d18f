// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/spec_check.hpp"

#include <gmock/gmock.h>

#include <functional>
#include <limits>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

ModelSpec good() {
  ModelSpec spec;
  spec.layers = 2;
  spec.hidden = 16;
  spec.heads = 4;
  spec.kv_heads = 2;
  spec.head_dim = 4;
  spec.ffn = 24;
  spec.vocab = 10;
  spec.context_max = 64;
  spec.rope.dims = 4;
  return spec;
}

TEST(SpecCheck, ASensibleSpecPasses) { EXPECT_TRUE(check_spec(good(), "m").has_value()); }

TEST(SpecCheck, ImpossibleValuesAreNamed) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const struct {
    std::function<void(ModelSpec&)> change;
    const char* part;
  } cases[] = {
      {[](ModelSpec& s) { s.layers = 0; }, "a model of 0 layers"},
      {[](ModelSpec& s) { s.hidden = -1; }, "-1 hidden elements"},
      {[](ModelSpec& s) { s.heads = 0; }, "0 attention heads"},
      {[](ModelSpec& s) { s.kv_heads = 3; }, "4 attention heads cannot share 3"},
      {[](ModelSpec& s) { s.kv_heads = 8; }, "4 attention heads cannot share 8"},
      {[](ModelSpec& s) { s.head_dim = 1 << 20; }, "elements per head"},
      {[](ModelSpec& s) { s.ffn = std::int64_t{1} << 40; }, "feed-forward"},
      {[](ModelSpec& s) { s.vocab = 0; }, "tokens in the vocabulary"},
      {[](ModelSpec& s) { s.context_max = 0; }, "tokens of context"},
      {[](ModelSpec& s) { s.rms_epsilon = -1; }, "epsilon"},
      {[](ModelSpec& s) { s.rope.dims = 3; }, "RoPE over 3 elements"},
      {[](ModelSpec& s) { s.rope.dims = 6; }, "RoPE over 6 elements"},
      {[](ModelSpec& s) { s.rope.base = 0; }, "RoPE base"},
      {[](ModelSpec& s) { s.rope.factor = 0; }, "scaling factor"},
      {[](ModelSpec& s) { s.rope.factor = kInfinity; }, "scaling factor"},
      {[](ModelSpec& s) { s.rope.scaling = RopeScaling::kYarn; }, "original context of 0"},
      {[](ModelSpec& s) { s.rope.beta_fast = 0; }, "RoPE scaling value"},
      {[](ModelSpec& s) { s.rope.attention_factor = -1; }, "attention factor"},
  };
  for (const auto& [change, part] : cases) {
    ModelSpec spec = good();
    change(spec);
    const auto status = check_spec(spec, "m");
    ASSERT_FALSE(status.has_value()) << part;
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(status.error().message, HasSubstr(part));
  }
}

}  // namespace
}  // namespace sluice::runtime
