// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/rtn/rtn.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "kernels/stages/quantize/rtn/rtn_body.hpp"
#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::make_stage;
using testing_support::TestPlane;

std::vector<float> normal_values(std::int64_t rows, std::int64_t columns) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = normal(random) + static_cast<float>(i % static_cast<std::size_t>(columns) % 5);
  }
  return values;
}

// The method's formula in double, apart from the BF16 rounding of its two numbers.
void expect_formula(const std::vector<float>& group, int bits, const std::uint8_t* symbols,
                    float scale, float zero) {
  double low = group[0];
  double high = group[0];
  for (const float value : group) {
    low = std::min<double>(low, value);
    high = std::max<double>(high, value);
  }
  ASSERT_LE(zero, low);
  ASSERT_NEAR(zero, low, 0x1p-7 * std::abs(low));
  ASSERT_NEAR(scale, (high - double{zero}) / ((1 << bits) - 1), 0x1p-7 * double{scale} + 1e-30);
  for (std::size_t i = 0; i < group.size(); ++i) {
    const double level = scale == 0.0F ? 0.0 : (double{group[i]} - double{zero}) / double{scale};
    ASSERT_NEAR(symbols[i], std::clamp(level, 0.0, double((1 << bits) - 1)), 0.501) << i;
  }
}

TEST(Rtn, FollowsTheFormulaWithinTokens) {
  const auto values = normal_values(4, 80);  // groups of 32, 32, 16
  const auto stage = make_stage(rtn_row(), {{"bits", 3.0}});
  const TestPlane plane(4, 80);
  const Coded coded = encode_plane(*stage, plane, values, 4);
  ASSERT_EQ(coded.side.size(), 4U * 3 * 4);
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t g = 0; g < 3; ++g) {
      const std::size_t first = row * 80 + g * 32;
      const std::vector<float> group(values.data() + first,
                                     values.data() + first + (g == 2 ? 16 : 32));
      const std::byte* line = coded.side.data() + row * 12;
      expect_formula(group, 3, coded.symbols.data() + first, load_bf16(line + 2 * g),
                     load_bf16(line + 6 + 2 * g));
    }
  }
}

TEST(Rtn, FollowsTheFormulaWithinChannels) {
  const auto values = normal_values(40, 6);  // groups of 32 and 8 tokens
  const auto stage = make_stage(rtn_row(), {{"axis_key", std::string("channel")}, {"bits", 2.0}});
  const TestPlane plane(40, 6);
  const Coded coded = encode_plane(*stage, plane, values, 32);
  ASSERT_EQ(coded.side.size(), 2U * 6 * 4);
  for (std::size_t line = 0; line < 2; ++line) {
    for (std::size_t c = 0; c < 6; ++c) {
      std::vector<float> group;
      std::vector<std::uint8_t> symbols;
      for (std::size_t r = line * 32; r < std::min<std::size_t>(40, line * 32 + 32); ++r) {
        group.push_back(values[r * 6 + c]);
        symbols.push_back(coded.symbols[r * 6 + c]);
      }
      const std::byte* side = coded.side.data() + line * 24;
      expect_formula(group, 2, symbols.data(), load_bf16(side + 2 * c),
                     load_bf16(side + 12 + 2 * c));
    }
  }
}

TEST(Rtn, SymmetricLevelsAreMultiplesOfTheScale) {
  const std::vector<float> values = {-7.0F, 3.0F, 0.0F, 1.0F, 6.6F};
  const auto stage = make_stage(rtn_row(), {{"symmetric", true}, {"bits", 4.0}});
  const TestPlane plane(1, 5);
  const Coded coded = encode_plane(*stage, plane, values, 1);
  EXPECT_EQ(coded.side.size(), 2U);
  EXPECT_EQ(coded.symbols, (std::vector<std::uint8_t>{1, 11, 8, 9, 15}));
  EXPECT_EQ(decode_plane(*stage, plane, coded),
            (std::vector<float>{-7.0F, 3.0F, 0.0F, 1.0F, 7.0F}));
}

TEST(Rtn, AGroupAllEqualComesBackAsItsBf16Number) {
  const std::vector<float> values(64, 3.0F);
  const auto stage = make_stage(rtn_row(), {});
  const TestPlane plane(1, 64);
  EXPECT_EQ(decode_plane(*stage, plane, encode_plane(*stage, plane, values, 1)), values);
}

TEST(Rtn, TilesDoNotShow) {
  const auto values = normal_values(70, 48);
  const TestPlane plane(70, 48);
  for (const char* axis : {"token", "channel"}) {
    const auto stage = make_stage(rtn_row(), {{"axis_key", std::string(axis)}});
    const Coded whole = encode_plane(*stage, plane, values, 70);
    const Coded tiled = encode_plane(*stage, plane, values, 32);
    EXPECT_EQ(whole.symbols, tiled.symbols);
    EXPECT_EQ(whole.side, tiled.side);
  }
}

TEST(Rtn, BitsGoByLevelAndByHalf) {
  const auto stage =
      make_stage(rtn_row(), {{"bits", std::vector<double>{8, 4}}, {"bits_value", 2.0}});
  const auto& quantize = dynamic_cast<const QuantizeStage&>(*stage);
  const auto bits = [&](KvHalf half, std::uint8_t level) {
    const TestPlane plane(1, 8, half, level);
    ByteWriter side;
    return quantize.begin_encode(plane.plane(), 8, {}, side).value()->symbols().bits[0];
  };
  EXPECT_EQ(bits(KvHalf::kKey, 1), 8);
  EXPECT_EQ(bits(KvHalf::kKey, 2), 4);
  EXPECT_EQ(bits(KvHalf::kKey, 8), 4);
  EXPECT_EQ(bits(KvHalf::kValue, 1), 2);
}

TEST(Rtn, KiviIsKAlongTokensAndVAlongChannels) {
  const auto stage = make_stage(rtn_row(), {{"axis_key", std::string("channel")}, {"bits", 2.0}});
  const auto& quantize = dynamic_cast<const QuantizeStage&>(*stage);
  EXPECT_EQ(quantize.row_multiple(), 32);
  for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
    const TestPlane plane(64, 96, half);
    const Coded coded = encode_plane(*stage, plane, normal_values(64, 96), 64);
    EXPECT_EQ(coded.side.size(), 4U * (half == KvHalf::kKey ? 2 * 96 : 64 * 3));
  }
}

TEST(Rtn, NoRowsAreNoBytes) {
  const auto stage = make_stage(rtn_row(), {});
  const TestPlane plane(0, 64);
  const Coded coded = encode_plane(*stage, plane, {}, 1);
  EXPECT_TRUE(coded.side.empty());
  EXPECT_TRUE(decode_plane(*stage, plane, coded).empty());
}

TEST(Rtn, MissingScalesAreCorruptAndAnyScalesAreTaken) {
  const auto stage = make_stage(rtn_row(), {});
  const TestPlane plane(3, 80);
  Coded coded = encode_plane(*stage, plane, normal_values(3, 80), 3);
  for (std::byte& byte : coded.side) byte = std::byte{0xff};  // NaNs
  EXPECT_EQ(decode_plane(*stage, plane, coded).size(), 240U);
  coded.side.pop_back();
  const auto values = testing_support::try_decode_plane(*stage, plane, coded);
  ASSERT_FALSE(values);
  EXPECT_EQ(values.error().code, ErrorCode::kCorrupt);
}

TEST(Rtn, BitsOutsideTheRangeAreRefused) {
  const StageRow row = rtn_row();
  EXPECT_FALSE(Parameters::parse(row.name, row.parameters, {{"bits", 9.0}}));
  EXPECT_FALSE(Parameters::parse(row.name, row.parameters, {{"bits", 1.0}}));
  const auto parsed = Parameters::parse(row.name, row.parameters, {{"bits", 2.5}});
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(row.create(*parsed));
}

}  // namespace
}  // namespace sluice::kernels
