// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/delta/delta.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

CacheShape shape_of(std::int64_t columns) {
  return {.layers = 1, .kv_heads = 1, .head_dim = columns, .model_fingerprint = 1, .rope = {}};
}

std::unique_ptr<Stage> make(const ParameterMap& values) {
  const StageRow row = delta_row();
  auto parameters = Parameters::parse(row.name, row.parameters, values);
  if (!parameters) ADD_FAILURE() << parameters.error().message;
  auto stage = row.create(*parameters);
  if (!stage) ADD_FAILURE() << stage.error().message;
  return std::move(*stage);
}

struct Coded {
  std::vector<std::uint8_t> symbols;
  std::vector<std::byte> head;  // written by begin_encode
  std::vector<std::byte> side;
  SymbolShape shape;
};

// A plane through the stage, in tiles of `tile` rows.
Coded encode(const Stage& stage, const std::vector<float>& values, std::int64_t columns,
             std::int64_t tile) {
  const auto& quantize = dynamic_cast<const QuantizeStage&>(stage);
  const CacheShape cache = shape_of(columns);
  Plane plane{.shape = &cache, .head_count = 1};
  const auto rows = static_cast<std::int64_t>(values.size()) / columns;
  const ConstMatrix all{values.data(), rows, columns, columns};
  ByteWriter head;
  auto plan = quantize.begin_encode(plane, columns, all, head);
  EXPECT_TRUE(plan);
  Coded coded;
  coded.head = head.take();
  coded.shape = (*plan)->symbols();
  for (std::int64_t row = 0; row < rows; row += tile) {
    const std::int64_t count = std::min(tile, rows - row);
    std::vector<std::uint8_t> symbols(
        static_cast<std::size_t>(coded.shape.symbol_rows(count)) * coded.shape.bits.size(), 99);
    std::vector<std::byte> side((*plan)->side_bytes_max(count));
    side.resize(
        (*plan)->encode(row, {all.row(row), count, columns, columns}, symbols.data(), side.data()));
    coded.symbols.insert(coded.symbols.end(), symbols.begin(), symbols.end());
    coded.side.insert(coded.side.end(), side.begin(), side.end());
  }
  for (std::size_t i = 0; i < coded.symbols.size(); ++i) {
    EXPECT_LT(coded.symbols[i], 1 << coded.shape.bits[i % coded.shape.bits.size()]);
  }
  return coded;
}

std::vector<float> decode(const Stage& stage, const Coded& coded, std::int64_t rows,
                          std::int64_t columns) {
  const auto& quantize = dynamic_cast<const QuantizeStage&>(stage);
  const CacheShape cache = shape_of(columns);
  Plane plane{.shape = &cache, .head_count = 1};
  ByteReader head(coded.head);
  auto plan = quantize.begin_decode(plane, columns, head);
  EXPECT_TRUE(plan);
  EXPECT_EQ(head.remaining(), 0U);
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  const auto used =
      (*plan)->decode(0, coded.symbols.data(), coded.side, {values.data(), rows, columns, columns});
  EXPECT_TRUE(used);
  EXPECT_EQ(*used, coded.side.size());
  return values;
}

double rms_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(double{a[i]} - double{b[i]}, 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

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
    const Coded coded = encode(*stage, values, kColumns, 1000 * multiple);
    EXPECT_LT(rms_error(decode(*stage, coded, rows, kColumns), values), GetParam().error_max);
    const Coded tiled = encode(*stage, values, kColumns, multiple);
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
    [](const auto& info) { return info.param.name; });

TEST(Delta, ClosedLoopDoesNotLetErrorsGrow) {
  const ParameterMap closed{{"mode", std::string("sequential")}, {"group", 0.0}, {"bits", 3.0}};
  ParameterMap open = closed;
  open["closed_loop"] = false;
  const std::vector<float> values = walk(400, 16);
  const auto error = [&](const ParameterMap& parameters) {
    const auto stage = make(parameters);
    return rms_error(decode(*stage, encode(*stage, values, 16, 400), 400, 16), values);
  };
  EXPECT_LT(3 * error(closed), error(open));
}

TEST(Delta, AnchorsAndDifferencesHaveTheirOwnSymbols) {
  const auto stage = make({{"group", 3.0}, {"bits", 2.0}, {"anchor_bits", 7.0}});
  const Coded coded = encode(*stage, walk(4, 2), 2, 3);
  EXPECT_THAT(coded.shape.bits, ::testing::ElementsAre(7, 7, 2, 2, 2, 2));
  EXPECT_THAT(coded.shape.context, ::testing::ElementsAre(0, 1, 2, 3, 2, 3));
  EXPECT_EQ(coded.symbols.size(), 12U);
  EXPECT_EQ(coded.symbols[8], 0);  // past the last row
}

TEST(Delta, OfEqualAndOfHugeValuesIsFinite) {
  for (const char* scale : {"range", "bins"}) {
    const auto stage = make({{"scale", std::string(scale)}});
    const std::vector<float> equal(60, -3.0F);
    EXPECT_EQ(decode(*stage, encode(*stage, equal, 6, 10), 10, 6), equal);
    std::vector<float> huge(60, 1e30F);
    for (std::size_t i = 0; i < huge.size(); i += 3) huge[i] = -2e30F;
    for (const float value : decode(*stage, encode(*stage, huge, 6, 10), 10, 6)) {
      EXPECT_TRUE(std::isfinite(value));
    }
  }
}

TEST(Delta, RefusesWhatEndsTooEarly) {
  const auto stage = make({});
  const auto& quantize = dynamic_cast<const QuantizeStage&>(*stage);
  const CacheShape cache = shape_of(6);
  const Plane plane{.shape = &cache, .head_count = 1};
  Coded coded = encode(*stage, walk(20, 6), 6, 20);
  coded.side.pop_back();
  ByteReader head(coded.head);
  auto plan = quantize.begin_decode(plane, 6, head);
  ASSERT_TRUE(plan);
  std::vector<float> out(120);
  const auto used = (*plan)->decode(0, coded.symbols.data(), coded.side, {out.data(), 20, 6, 6});
  ASSERT_FALSE(used);
  EXPECT_EQ(used.error().code, ErrorCode::kCorrupt);
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
