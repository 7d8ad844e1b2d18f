// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvtc/kvtc.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::make_stage;
using testing_support::rms_error;
using testing_support::TestPlane;
using testing_support::try_decode_plane;

// Components with falling deviations.
std::vector<float> components(std::int64_t rows, std::int64_t columns, float decay = 0.95F) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  std::uint32_t state = 7;
  for (std::size_t i = 0; i < values.size(); ++i) {
    float sum = -2.0F;
    for (int k = 0; k < 4; ++k) {
      state = state * 1664525U + 1013904223U;
      sum += static_cast<float>(state >> 8) * 0x1p-24F;
    }
    values[i] = sum * std::pow(decay, static_cast<float>(i % static_cast<std::size_t>(columns)));
  }
  return values;
}

Plane with_profile(const TestPlane& on, const Profile& profile) {
  Plane plane = on.plane();
  plane.profile = &profile;
  return plane;
}

// A test plane that has been calibrated on `values`.
struct Calibrated {
  Calibrated(const Stage& stage, std::int64_t rows, std::int64_t columns)
      : values(components(rows, columns)), on(rows, columns) {
    const auto calibration = stage.calibration();
    EXPECT_TRUE(calibration->observe(on.plane(), {values.data(), rows, columns, columns}));
    EXPECT_TRUE(calibration->finish(profile));
    on.use_profile(&profile);
  }
  std::vector<float> values;
  Profile profile;
  TestPlane on;
};

double packed_bits(const Coded& coded, std::int64_t rows) {
  double bits = static_cast<double>(coded.side.size() * 8);
  for (const std::uint8_t of_column : coded.shape.bits)
    bits += of_column * static_cast<double>(rows);
  return bits;
}

TEST(Kvtc, KeepsItsBoundAndErrorsFallWithBits) {
  double before = 1e9;
  for (const double bits : {0.25, 0.8, 2.0, 4.0, 8.5}) {
    for (const double tokens : {1.0, 16.0}) {
      const auto stage = make_stage(kvtc_row(), {{"bits", bits}, {"tokens", tokens}});
      EXPECT_EQ(dynamic_cast<const QuantizeStage&>(*stage).row_multiple(), tokens);
      const Calibrated with(*stage, 96, 192);
      const Coded coded = encode_plane(*stage, with.on, with.values, 32);
      EXPECT_LE(packed_bits(coded, 96), bits * 96 * 192);
      const double error = rms_error(with.values, decode_plane(*stage, with.on, coded));
      if (tokens == 16.0) {
        EXPECT_LT(error, before) << bits;
        before = error;
      }
    }
  }
  EXPECT_LT(before, 0.003);
}

TEST(Kvtc, ALastGroupMayBeShort) {
  const auto stage =
      make_stage(kvtc_row(), {{"bits", 8.5}, {"tokens", 16.0}, {"skip_tokens", 0.0}});
  for (const std::int64_t rows : {0, 1, 15, 17, 40}) {
    const Calibrated with(*stage, rows, 80);
    const Coded coded = encode_plane(*stage, with.on, with.values, 16);
    EXPECT_EQ(coded.side.size() % 4, 0U);
    const auto back = decode_plane(*stage, with.on, coded);
    for (std::size_t i = 0; i < back.size(); ++i) ASSERT_NEAR(back[i], with.values[i], 0.02);
  }
}

TEST(Kvtc, TilesDoNotMatter) {
  const auto stage = make_stage(kvtc_row(), {{"bits", 2.0}, {"tokens", 4.0}});
  const Calibrated with(*stage, 50, 96);
  const Coded small = encode_plane(*stage, with.on, with.values, 4);
  const Coded whole = encode_plane(*stage, with.on, with.values, 52);
  EXPECT_EQ(small.symbols, whole.symbols);
  EXPECT_EQ(small.side, whole.side);
}

TEST(Kvtc, MissingOrWrongTablesAreNamed) {
  const auto stage = make_stage(kvtc_row(), {});
  const auto& quantize = dynamic_cast<const QuantizeStage&>(*stage);
  const TestPlane on(4, 32);
  ByteWriter side;
  EXPECT_EQ(quantize.begin_encode(on.plane(), 32, {}, side).error().code, ErrorCode::kNotFound);
  Profile profile;
  const Plane plane = with_profile(on, profile);
  const auto missing = quantize.begin_encode(plane, 32, {}, side);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("kvtc..segments.k.0"), std::string::npos);
  const std::vector<std::vector<std::int32_t>> wrong = {
      {}, {0, 16, 4}, {0, 16, 4, 17, 15, 2}, {0, 33, 4}, {0, 32, 3}, {0, 32}, {0, -1, 4}};
  for (const auto& segments : wrong) {
    profile.put("kvtc..segments.k.0", DType::kI32, {static_cast<std::int64_t>(segments.size())},
                std::as_bytes(std::span(segments)));
    const auto refused = quantize.begin_encode(plane, 32, {}, side);
    ASSERT_FALSE(refused) << segments.size();
    EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  }
  const std::vector<std::int32_t> good = {0, 30, 4, 30, 2, 0};
  profile.put("kvtc..segments.k.0", DType::kI32, {2, 3}, std::as_bytes(std::span(good)));
  const auto plan = quantize.begin_encode(plane, 32, {}, side);
  ASSERT_TRUE(plan);
  EXPECT_EQ((*plan)->symbols().bits[29], 4);
  EXPECT_EQ((*plan)->symbols().bits[30], 0);
}

TEST(Kvtc, ADecoderRefusesCutBytesAndTakesAnyOthers) {
  const auto stage = make_stage(kvtc_row(), {{"bits", 4.0}, {"tokens", 1.0}});
  const Calibrated with(*stage, 20, 64);
  Coded coded = encode_plane(*stage, with.on, with.values, 8);
  for (auto& byte : coded.side) byte = std::byte{0xff};  // NaN: numbers without meaning
  EXPECT_EQ(decode_plane(*stage, with.on, coded).size(), with.values.size());
  coded.side.pop_back();
  const auto cut = try_decode_plane(*stage, with.on, coded);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kCorrupt);
}

TEST(Kvtc, ValuesHaveTheirOwnBits) {
  const auto stage = make_stage(kvtc_row(), {{"bits", 8.5}, {"bits_value", 0.01}});
  const auto values = components(30, 32);
  const TestPlane on(30, 32, KvHalf::kValue);
  const auto calibration = stage->calibration();
  ASSERT_TRUE(calibration->observe(on.plane(), {values.data(), 30, 32, 32}));
  Profile profile;
  ASSERT_TRUE(calibration->finish(profile));
  const auto segments = profile.require("kvtc..segments.v.0", DType::kI32, 3);
  ASSERT_TRUE(segments);
  EXPECT_EQ(segments->as<std::int32_t>()[2], 0);
}

}  // namespace
}  // namespace sluice::kernels
