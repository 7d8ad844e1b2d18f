// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/delta/delta.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;
using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::make_stage;
using testing_support::rms_error;
using testing_support::TestPlane;

std::unique_ptr<Stage> make(const ParameterMap& values) { return make_stage(delta_row(), values); }

// Neighbours alike, as CacheGen saw them: a random walk.
std::vector<float> walk(std::int64_t rows, std::int64_t columns) {
  std::mt19937 random(7);
  std::normal_distribution<float> step(0.0F, 0.1F);
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto before = i < static_cast<std::size_t>(columns) ? 0.0F : values[i - columns];
    values[i] = before + step(random);
  }
  return values;
}

struct Case {
  std::string name;
  ParameterMap parameters;
  double error_max;  // relative to the deviation of a step, 0.1
};

class DeltaRoundTrip : public ::testing::TestWithParam<Case> {};

TEST_P(DeltaRoundTrip, IsWithinItsStepsHoweverTiled) {
  constexpr std::int64_t kColumns = 24;
  const auto stage = make(GetParam().parameters);
  const std::int64_t multiple = dynamic_cast<const QuantizeStage&>(*stage).row_multiple();
  for (const std::int64_t rows : {1, 2, 9, 10, 37}) {
    const std::vector<float> values = walk(rows, kColumns);
    const TestPlane plane(rows, kColumns);
    const Coded coded = encode_plane(*stage, plane, values, 1000 * multiple);
    EXPECT_LT(rms_error(decode_plane(*stage, plane, coded), values), GetParam().error_max);
    const Coded tiled = encode_plane(*stage, plane, values, multiple);
    EXPECT_EQ(tiled.symbols, coded.symbols);
    EXPECT_EQ(tiled.side, coded.side);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Modes, DeltaRoundTrip,
    ::testing::Values(Case{"anchor", {{"bits", 8.0}}, 0.004},
                      Case{"anchor4", {{"group", 4.0}, {"bits", 8.0}}, 0.004},
                      Case{"grouped", {{"mode", std::string("sequential")}, {"bits", 8.0}}, 0.004},
                      Case{"one_group",
                           {{"mode", std::string("sequential")}, {"group", 0.0}, {"bits", 8.0}},
                           0.004},
                      Case{"bins", {{"scale", std::string("bins")}, {"bins", 0.1}}, 0.02},
                      Case{"whole_rows", {{"channels", 0.0}, {"bits", 8.0}}, 0.004}),
    [](const auto& tested) { return tested.param.name; });

TEST(Delta, ClosedLoopDoesNotLetErrorsGrow) {
  const ParameterMap closed{{"mode", std::string("sequential")}, {"group", 0.0}, {"bits", 3.0}};
  ParameterMap open = closed;
  open["closed_loop"] = false;
  const std::vector<float> values = walk(400, 16);
  const TestPlane plane(400, 16);
  const auto error = [&](const ParameterMap& parameters) {
    const auto stage = make(parameters);
    return rms_error(decode_plane(*stage, plane, encode_plane(*stage, plane, values, 400)), values);
  };
  EXPECT_LT(3 * error(closed), error(open));
}

TEST(Delta, AnchorsAndDifferencesHaveTheirOwnSymbols) {
  const auto stage = make({{"group", 3.0}, {"bits", 2.0}, {"anchor_bits", 7.0}});
  const Coded coded = encode_plane(*stage, TestPlane(4, 2), walk(4, 2), 3);
  EXPECT_THAT(coded.shape.bits, ::testing::ElementsAre(7, 7, 2, 2, 2, 2));
  EXPECT_THAT(coded.shape.context, ::testing::ElementsAre(0, 1, 2, 3, 2, 3));
  EXPECT_EQ(coded.symbols.size(), 12U);
  EXPECT_EQ(coded.symbols[8], 0);  // past the last row
}

TEST(Delta, OfEqualAndOfHugeValuesIsFinite) {
  const TestPlane plane(10, 6);
  for (const char* scale : {"range", "bins"}) {
    const auto stage = make({{"scale", std::string(scale)}});
    const std::vector<float> equal(60, -3.0F);
    EXPECT_EQ(decode_plane(*stage, plane, encode_plane(*stage, plane, equal, 10)), equal);
    std::vector<float> huge(60, 1e30F);
    for (std::size_t i = 0; i < huge.size(); i += 3) huge[i] = -2e30F;
    for (const float value : decode_plane(*stage, plane, encode_plane(*stage, plane, huge, 10))) {
      EXPECT_TRUE(std::isfinite(value));
    }
  }
}

// Differences of FP32's largest numbers are infinite, and so is their range.
TEST(Delta, OfTheLargestValuesIsANumber) {
  constexpr float kMost = std::numeric_limits<float>::max();
  const TestPlane plane(10, 6);
  std::vector<float> values(60, kMost);
  for (std::size_t i = 0; i < values.size(); i += 4) values[i] = -kMost;
  for (const char* mode : {"anchor", "sequential"}) {
    for (const char* scale : {"range", "bins"}) {
      for (const double bits : {1.0, 4.0, 8.0}) {
        const auto stage = make({{"mode", std::string(mode)},
                                 {"scale", std::string(scale)},
                                 {"bits", bits},
                                 {"anchor_bits", bits}});
        SCOPED_TRACE(::testing::Message() << mode << ' ' << scale << ' ' << bits);
        const auto decoded = decode_plane(*stage, plane, encode_plane(*stage, plane, values, 10));
        for (const float value : decoded) ASSERT_FALSE(std::isnan(value));
        for (std::size_t i = 0; i < 6; ++i) ASSERT_TRUE(std::isfinite(decoded[i]));  // the anchor
      }
    }
  }
}

TEST(Delta, RefusesWhatEndsTooEarly) {
  const auto stage = make({});
  const TestPlane plane(20, 6);
  Coded coded = encode_plane(*stage, plane, walk(20, 6), 20);
  coded.side.pop_back();
  const auto values = testing_support::try_decode_plane(*stage, plane, coded);
  ASSERT_FALSE(values);
  EXPECT_EQ(values.error().code, ErrorCode::kCorrupt);
}

TEST(Delta, OfAnchorsNeedsGroups) {
  const StageRow row = delta_row();
  const auto parameters = Parameters::parse(row.name, row.parameters, {{"group", 0.0}});
  ASSERT_TRUE(parameters);
  const auto stage = row.create(*parameters);
  ASSERT_FALSE(stage);
  EXPECT_THAT(stage.error().message, HasSubstr("anchors need a 'group'"));
}

}  // namespace
}  // namespace sluice::kernels
