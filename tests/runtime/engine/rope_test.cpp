// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/rope.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sluice::runtime {
namespace {

using nlohmann::json;

// Made by make_rope_reference.py with transformers.
const json& reference() {
  static const json document = [] {
    std::ifstream file(SLUICE_SOURCE_DIR "/tests/runtime/engine/rope_reference.json");
    return json::parse(file);
  }();
  return document;
}

ModelSpec spec_of(const json& parameters, std::int64_t dims) {
  ModelSpec spec;
  RopeSpec& rope = spec.rope;
  rope.dims = dims;
  rope.base = parameters.at("rope_theta");
  const std::string type = parameters.at("rope_type");
  rope.scaling = type == "default"  ? RopeScaling::kNone
                 : type == "linear" ? RopeScaling::kLinear
                 : type == "llama3" ? RopeScaling::kLlama3
                                    : RopeScaling::kYarn;
  rope.factor = parameters.value("factor", 1.0);
  rope.original_context = parameters.value("original_max_position_embeddings", std::int64_t{0});
  rope.low_freq_factor = parameters.value("low_freq_factor", 1.0);
  rope.high_freq_factor = parameters.value("high_freq_factor", 4.0);
  rope.beta_fast = parameters.value("beta_fast", 32.0);
  rope.beta_slow = parameters.value("beta_slow", 1.0);
  rope.attention_factor = parameters.value("attention_factor", 0.0);
  return spec;
}

class RopeReference : public ::testing::TestWithParam<const char*> {};

TEST_P(RopeReference, FrequenciesAndTablesAgreeWithTransformers) {
  const json& expected = reference().at("cases").at(GetParam());
  const ModelSpec spec = spec_of(expected.at("parameters"), expected.at("dims"));
  const auto frequencies = RopeFrequencies::build(spec.rope, std::nullopt);
  const std::vector<double> hf = expected.at("frequencies");
  ASSERT_EQ(frequencies.radians_per_position.size(), hf.size());
  for (std::size_t pair = 0; pair < hf.size(); ++pair) {
    EXPECT_NEAR(frequencies.radians_per_position[pair], hf[pair], 1e-6 * hf[pair]) << pair;
  }
  EXPECT_NEAR(frequencies.attention_factor, expected.at("attention_factor").get<double>(), 1e-9);

  const std::vector<std::int64_t> positions = reference().at("positions");
  const RopeTable table = RopeTable::build(spec, std::nullopt, positions.back() + 1);
  EXPECT_EQ(table.pairs(), static_cast<std::int64_t>(hf.size()));
  for (std::size_t row = 0; row < positions.size(); ++row) {
    for (std::size_t pair = 0; pair < hf.size(); ++pair) {
      // The reference multiplies position and frequency in FP32: 100 radians are off by 1e-5.
      const double tolerance = 2e-7 * static_cast<double>(positions[row]) + 1e-6;
      EXPECT_NEAR(table.cos(positions[row])[pair], expected["cos"][row][pair].get<float>(),
                  tolerance);
      EXPECT_NEAR(table.sin(positions[row])[pair], expected["sin"][row][pair].get<float>(),
                  tolerance);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Scalings, RopeReference,
                         ::testing::Values("none", "linear", "llama3", "yarn",
                                           "yarn_own_attention"));

// A Llama-3 GGUF stores the scaling as divisors: both ways must give the same frequencies.
TEST(Rope, FactorsDivideAndStandForTheLlama3Scaling) {
  ModelSpec spec = spec_of(reference().at("cases").at("llama3").at("parameters"), 64);
  const auto scaled = RopeFrequencies::build(spec.rope, std::nullopt).radians_per_position;
  RopeSpec plain_spec = spec.rope;
  plain_spec.scaling = RopeScaling::kNone;
  const auto plain = RopeFrequencies::build(plain_spec, std::nullopt).radians_per_position;
  std::vector<float> factors;
  for (std::size_t pair = 0; pair < plain.size(); ++pair) {
    factors.push_back(static_cast<float>(plain[pair] / scaled[pair]));
  }
  EXPECT_EQ(factors.front(), 1.0F);
  EXPECT_FLOAT_EQ(factors.back(), 8.0F);
  TensorView view{.data = reinterpret_cast<const std::byte*>(factors.data()),
                  .dtype = DType::kF32,
                  .rank = 1,
                  .shape = {32}};
  for (const RopeScaling scaling : {RopeScaling::kNone, RopeScaling::kLlama3}) {
    spec.rope.scaling = scaling;
    const auto divided = RopeFrequencies::build(spec.rope, view).radians_per_position;
    for (std::size_t pair = 0; pair < plain.size(); ++pair) {
      EXPECT_NEAR(divided[pair], scaled[pair], 1e-6 * scaled[pair]);
    }
  }
}

TEST(Rope, YarnOfFactorOneChangesNothing) {
  const RopeSpec spec{.dims = 64, .scaling = RopeScaling::kYarn, .original_context = 2048};
  const RopeSpec plain_spec{.dims = 64};
  const auto yarn = RopeFrequencies::build(spec, std::nullopt);
  const auto plain = RopeFrequencies::build(plain_spec, std::nullopt);
  for (std::size_t pair = 0; pair < 32; ++pair) {
    EXPECT_DOUBLE_EQ(yarn.radians_per_position[pair], plain.radians_per_position[pair]);
  }
  EXPECT_EQ(yarn.attention_factor, 1.0);
}

}  // namespace
}  // namespace sluice::runtime
