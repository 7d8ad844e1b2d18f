// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>

#include "kernels/stages/entropy/rans/rans.hpp"
#include "kernels/stages/entropy/symbol_tables.hpp"
#include "tests/kernels/stages/entropy/test_symbols.hpp"

namespace sluice::kernels {
namespace {

constexpr int kPrecision = 14;

void put_table(Profile& profile, const Plane& plane, std::vector<std::int64_t> shape,
               const std::vector<std::int32_t>& values) {
  profile.put(static_tables_name("rans", plane), DType::kI32, std::move(shape),
              std::as_bytes(std::span(values)));
}

TEST(StaticTables, NamesSayTheLevelAndTheHeads) {
  TestPlace place;
  EXPECT_EQ(static_tables_name("rans", place.plane), "rans.test.freq.level1.k.0");
  place.plane.level = 3;
  place.plane.half = KvHalf::kValue;
  place.plane.layer_first = 1;
  place.plane.head_first = 2;
  place.plane.head_count = 2;
  EXPECT_EQ(static_tables_name("rans", place.plane), "rans.test.freq.level3.h2-3.v.1");
}

TEST(StaticTables, GroupsAddTheirColumns) {
  Profile profile;
  const TestPlace place(&profile);
  put_table(profile, place.plane, {3, 2}, {4096, 12288, 12288, 4096, 1, 16383});
  const auto groups = SymbolGroups::of({.bits = {1, 1, 2}, .context = {0, 0, 1}}).value();
  const SymbolModel model = static_model("rans", place.plane, {}, groups, kPrecision).value();
  // The second has 2 bits, of which the profile knows one: what it lacks has the least weight.
  EXPECT_EQ(model.frequency, (std::vector<std::uint16_t>{8192, 8192, 1, 16381, 1, 1}));
}

TEST(StaticTables, EverySymbolStaysPossible) {
  const auto stage = make_entropy_stage(rans_row(), "static");
  const TestPlace learnt;
  TestPlane plane = gaussian_plane(300, same_bits(4, 4), 1);
  std::fill(plane.symbols.begin(), plane.symbols.end(), std::uint8_t{3});
  plane.symbols[5] = 15;
  const Profile profile = calibrated(*stage, learnt.plane, plane);
  const TestPlace place(&profile);
  const auto groups = SymbolGroups::of(plane.shape).value();
  const SymbolModel model = static_model("rans", place.plane, {}, groups, kPrecision).value();
  for (const std::uint16_t frequency : model.frequency) EXPECT_GE(frequency, 1);
}

TEST(StaticTables, OfAnotherShapeAreRefused) {
  const auto groups = SymbolGroups::of({.bits = {1, 1}, .context = {0, 1}}).value();
  const std::vector<std::int32_t> values(6, 1);
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{3, 2}, {2, 3}, {6}, {6, 1}}) {
    Profile profile;
    const TestPlace place(&profile);
    put_table(profile, place.plane, shape, values);
    EXPECT_FALSE(static_model("rans", place.plane, {}, groups, kPrecision).has_value());
  }
}

TEST(StaticTables, HostileValuesAreTamed) {
  Profile profile;
  const TestPlace place(&profile);
  put_table(profile, place.plane, {1, 4}, {-5, std::numeric_limits<std::int32_t>::max(), 0, 7});
  const auto groups = SymbolGroups::of({.bits = {2}, .context = {0}}).value();
  const SymbolModel model = static_model("rans", place.plane, {}, groups, kPrecision).value();
  EXPECT_EQ(model.frequency, (std::vector<std::uint16_t>{1, 16380, 1, 2}));
}

// What profiles were before they kept counts; frames of both are the same.
TEST(StaticTables, CountsGiveTheFrequenciesThatWereKeptBefore) {
  const auto stage = make_entropy_stage(rans_row(), "static");
  const TestPlace learnt;
  TestPlane plane = gaussian_plane(500, same_bits(6, 5), 3);
  plane.shape.context = {0, 0, 1, 1, 1, 2};
  const Profile profile = calibrated(*stage, learnt.plane, plane);
  const std::string name = static_tables_name("rans", learnt.plane);
  ASSERT_EQ(profile.require(name, DType::kU8, -1)->rank, 1);
  std::vector<std::int32_t> kept;
  for (std::size_t column = 0; column < 6; ++column) {
    std::vector<std::uint64_t> weights(32, 1);
    for (std::size_t i = column; i < plane.symbols.size(); i += 6) weights[plane.symbols[i]] += 256;
    std::uint16_t frequencies[32];
    normalize_frequencies(weights, kPrecision, frequencies);
    kept.insert(kept.end(), frequencies, frequencies + 32);
  }
  Profile old;
  put_table(old, learnt.plane, {6, 32}, kept);
  const auto groups = SymbolGroups::of(plane.shape).value();
  for (const int precision : {14, 16}) {
    const auto now =
        static_model("rans", TestPlace(&profile).plane, plane.shape, groups, precision).value();
    const auto before =
        static_model("rans", TestPlace(&old).plane, plane.shape, groups, precision).value();
    EXPECT_EQ(now.frequency, before.frequency);
  }
}

TEST(StaticTables, DamagedCountsAreRefused) {
  const auto stage = make_entropy_stage(rans_row(), "static");
  const TestPlace learnt;
  const TestPlane plane = gaussian_plane(100, same_bits(4, 4), 1);
  const Profile right = calibrated(*stage, learnt.plane, plane);
  const std::string name = static_tables_name("rans", learnt.plane);
  const TensorView tensor = right.require(name, DType::kU8, -1).value();
  const auto groups = SymbolGroups::of(plane.shape).value();
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, tensor.bytes() - 1}) {
    Profile profile;
    profile.put(name, DType::kU8, {static_cast<std::int64_t>(bytes)}, {tensor.data, bytes});
    const auto model = static_model("rans", TestPlace(&profile).plane, {}, groups, kPrecision);
    ASSERT_FALSE(model.has_value()) << bytes;
    EXPECT_EQ(model.error().code, ErrorCode::kCorrupt);
  }
  const auto more = SymbolGroups::of({.bits = same_bits(5, 4), .context = {0, 1, 2, 3, 4}});
  EXPECT_FALSE(
      static_model("rans", TestPlace(&right).plane, {}, more.value(), kPrecision).has_value());
}

TEST(StaticTables, LearnFromSymbolsOnly) {
  const auto calibration = make_entropy_stage(rans_row(), "auto")->calibration();
  const TestPlace place;
  for (const float wrong : {-1.0F, 256.0F, std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_FALSE(calibration->observe(place.plane, {&wrong, 1, 1, 1}).has_value());
  }
  const float right[2] = {0.0F, 255.0F};
  EXPECT_TRUE(calibration->observe(place.plane, {right, 2, 1, 1}).has_value());
  EXPECT_FALSE(calibration->observe(place.plane, {right, 1, 2, 2}).has_value());
  EXPECT_EQ(make_entropy_stage(rans_row(), "adaptive")->calibration(), nullptr);
}

}  // namespace
}  // namespace sluice::kernels
