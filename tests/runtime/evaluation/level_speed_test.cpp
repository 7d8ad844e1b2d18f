// SPDX-License-Identifier: Apache-2.0
// What is asked of engines and pipelines; how long it takes is no test's business.
#include "runtime/evaluation/level_speed.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/runtime/codec/codec_fixture.hpp"
#include "tests/runtime/evaluation/tiny_evaluation.hpp"

namespace sluice::runtime {
namespace {

// Computes nothing; keeps what it was asked.
class CountedPrefill : public PrefillEngine {
 public:
  explicit CountedPrefill(ModelSpec spec) : spec_(std::move(spec)) {}
  Status prefill(KvPool&, KvSequence& sequence, std::span<const TokenId> tokens,
                 const PrefillHooks& hooks, std::span<float>) override {
    if (is_failing) return make_error(ErrorCode::kUnavailable, "no");
    EXPECT_FALSE(hooks.layer_ready);
    EXPECT_EQ(hooks.observer, nullptr);
    asked.emplace_back(sequence.tokens, static_cast<std::int64_t>(tokens.size()));
    sequence.tokens += static_cast<std::int64_t>(tokens.size());
    return {};
  }
  Result<std::span<const float>> output_gram(std::int64_t) override {
    return std::span<const float>();
  }
  const ModelSpec& spec() const override { return spec_; }
  ComputeType compute() const override { return ComputeType::kF32; }
  std::size_t weight_bytes() const override { return 0; }

  bool is_failing = false;
  std::vector<std::pair<std::int64_t, std::int64_t>> asked;  // from, tokens

 private:
  ModelSpec spec_;
};

using LevelSpeed = TinyEvaluation;

TEST_F(LevelSpeed, APromptIsComputedInChunksFromItsStartEachTime) {
  CountedPrefill engine(file_->spec());
  const std::vector<TokenId> prompt(700, 65);
  const auto speed = measure_prefill_s_per_token(engine, prompt);
  ASSERT_TRUE(speed) << speed.error().message;
  EXPECT_TRUE(std::isfinite(*speed));
  ASSERT_GE(engine.asked.size(), 4U);
  for (std::size_t i = 0; i < engine.asked.size(); ++i) {
    const auto expected = i % 2 == 0 ? std::pair<std::int64_t, std::int64_t>(0, 512)
                                     : std::pair<std::int64_t, std::int64_t>(512, 188);
    EXPECT_EQ(engine.asked[i], expected);
  }
}

TEST_F(LevelSpeed, AnEnginesErrorIsHandedOn) {
  CountedPrefill engine(file_->spec());
  engine.is_failing = true;
  const auto speed = measure_prefill_s_per_token(engine, std::vector<TokenId>(3, 65));
  ASSERT_FALSE(speed);
  EXPECT_EQ(speed.error().code, ErrorCode::kUnavailable);
}

TEST(CodecSpeed, IsOfBothDirections) {
  const auto pipeline = testing::fixture_pipeline({{"rtn", {{"bits", 4.0}}}});
  const auto speed = measure_codec_speed(testing::fixture_cache(40), *pipeline, nullptr, {});
  ASSERT_TRUE(speed) << speed.error().message;
  EXPECT_GT(speed->encode_s_per_token, 0.0);
  EXPECT_GT(speed->decode_s_per_token, 0.0);
}

}  // namespace
}  // namespace sluice::runtime
