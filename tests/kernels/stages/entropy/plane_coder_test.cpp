// SPDX-License-Identifier: Apache-2.0
// What holds for every entropy stage, for both of them.
#include "kernels/stages/entropy/plane_coder.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "kernels/stages/entropy/arithmetic/arithmetic.hpp"
#include "kernels/stages/entropy/rans/rans.hpp"
#include "kernels/stages/quantize/pack/pack_bits.hpp"
#include "tests/kernels/stages/entropy/test_symbols.hpp"

namespace sluice::kernels {
namespace {

constexpr std::byte kPackedMode{0};
constexpr std::byte kStaticMode{1};
constexpr std::byte kSentMode{2};

class EntropyStages : public testing::TestWithParam<const char*> {
 protected:
  static StageRow row() {
    return std::string("rans") == GetParam() ? rans_row() : arithmetic_row();
  }
  static std::unique_ptr<EntropyStage> stage(const std::string& tables) {
    return make_entropy_stage(row(), tables);
  }

  // Encodes and decodes, into a buffer full of something else; returns the bytes.
  static std::vector<std::byte> round_trip(const EntropyStage& stage, const Plane& place,
                                           const TestPlane& plane) {
    auto bytes = encoded(stage, place, plane);
    EXPECT_LE(bytes.size(), packed_bytes(plane.shape, plane.rows) + 16);
    std::vector<std::uint8_t> decoded(plane.symbols.size(), 0xee);
    const Status status = stage.decode(place, plane.shape, plane.rows, bytes, decoded.data());
    EXPECT_TRUE(status.has_value()) << status.error().message;
    EXPECT_EQ(decoded, plane.symbols);
    return bytes;
  }
};

TEST_P(EntropyStages, DegenerateShapesComeBack) {
  const TestPlace place;
  const auto sent = stage("auto");
  for (const std::int64_t rows : {1, 2, 31, 32, 33, 64, 100}) {
    for (const std::size_t columns : {1U, 3U, 16U, 80U, 96U}) {
      for (const std::uint8_t bits : {1, 2, 3, 4, 5, 8}) {
        SCOPED_TRACE(testing::Message() << rows << " x " << columns << " of " << int{bits});
        round_trip(*sent, place.plane, gaussian_plane(rows, same_bits(columns, bits), 1));
      }
    }
  }
}

TEST_P(EntropyStages, EmptyPlanesAreNoBytes) {
  const TestPlace place;
  const auto sent = stage("auto");
  EXPECT_TRUE(round_trip(*sent, place.plane, gaussian_plane(0, same_bits(8, 4), 1)).empty());
  EXPECT_TRUE(round_trip(*sent, place.plane, gaussian_plane(5, {}, 1)).empty());
  EXPECT_TRUE(round_trip(*sent, place.plane, gaussian_plane(5, same_bits(8, 0), 1)).empty());
  const std::byte stray{0};
  std::vector<std::uint8_t> symbols(40);
  const TestPlane nothing = gaussian_plane(5, same_bits(8, 0), 1);
  const Status status = sent->decode(place.plane, nothing.shape, 5, {&stray, 1}, symbols.data());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
}

TEST_P(EntropyStages, ColumnsOfDifferentBitsAndOfNone) {
  const TestPlace place;
  std::vector<std::uint8_t> bits;
  for (int i = 0; i < 150; ++i) bits.push_back(static_cast<std::uint8_t>(i * 7 % 9));
  TestPlane plane = gaussian_plane(700, bits, 3);
  // Contexts shared by columns, also by ones of different bits.
  for (std::size_t i = 0; i < bits.size(); ++i) {
    plane.shape.context[i] = static_cast<std::uint16_t>(i / 10 * 4000);
  }
  const auto bytes = round_trip(*stage("adaptive"), place.plane, plane);
  EXPECT_EQ(bytes.front(), kSentMode);
}

TEST_P(EntropyStages, EqualSymbolsCostNextToNothing) {
  const TestPlace place;
  for (const std::uint8_t symbol : {0, 1, 15}) {
    TestPlane plane = gaussian_plane(2000, same_bits(32, 4), 1);
    std::fill(plane.symbols.begin(), plane.symbols.end(), symbol);
    EXPECT_LT(round_trip(*stage("adaptive"), place.plane, plane).size(), 400U);
  }
}

TEST_P(EntropyStages, UniformSymbolsArePacked) {
  const TestPlace place;
  TestPlane plane = gaussian_plane(300, same_bits(48, 4), 1);
  std::mt19937 generator(5);
  for (auto& symbol : plane.symbols) symbol = generator() & 15U;
  const auto bytes = round_trip(*stage("auto"), place.plane, plane);
  EXPECT_EQ(bytes.front(), kPackedMode);
  EXPECT_EQ(bytes.size(), packed_bytes(plane.shape, plane.rows) + 1);
}

TEST_P(EntropyStages, AutoTakesTheProfileWhereItFits) {
  const TestPlace learnt;
  const TestPlane plane = gaussian_plane(400, same_bits(32, 4), 1);
  const Profile profile = calibrated(*stage("auto"), learnt.plane, plane);
  EXPECT_EQ(profile.names(),
            std::vector<std::string>({std::string(GetParam()) + ".test.freq.level1.k.0"}));
  const TestPlace place(&profile);
  const TestPlane same = gaussian_plane(400, same_bits(32, 4), 2);
  EXPECT_EQ(round_trip(*stage("auto"), place.plane, same).front(), kStaticMode);
  EXPECT_EQ(round_trip(*stage("static"), place.plane, same).front(), kStaticMode);
  EXPECT_EQ(round_trip(*stage("adaptive"), place.plane, same).front(), kSentMode);
  // Other symbols than those learnt, but likely ones of their own kind.
  TestPlane other = same;
  std::fill(other.symbols.begin(), other.symbols.end(), std::uint8_t{14});
  EXPECT_EQ(round_trip(*stage("auto"), place.plane, other).front(), kSentMode);
  round_trip(*stage("static"), place.plane, other);
}

TEST_P(EntropyStages, AFrameWithTheProfilesTablesNeedsTheProfile) {
  const TestPlace learnt;
  const TestPlane plane = gaussian_plane(400, same_bits(32, 4), 1);
  const Profile profile = calibrated(*stage("auto"), learnt.plane, plane);
  const TestPlace place(&profile);
  const auto bytes = encoded(*stage("static"), place.plane, plane);
  std::vector<std::uint8_t> symbols(plane.symbols.size());
  const TestPlace bare;
  const auto status = stage("auto")->decode(bare.plane, plane.shape, 400, bytes, symbols.data());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
  ByteWriter out;
  const auto refused =
      stage("static")->encode(bare.plane, plane.shape, 400, plane.symbols.data(), out);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  // Without being told to use the profile, an encoder does without.
  EXPECT_EQ(round_trip(*stage("auto"), bare.plane, plane).front(), kSentMode);
}

TEST_P(EntropyStages, SizeIsNearTheEntropy) {
  const TestPlace place;
  const TestPlane plane = gaussian_plane(4096, same_bits(96, 4), 1);
  double entropy_bits = 0;
  for (std::size_t column = 0; column < plane.columns(); ++column) {
    std::vector<double> counts(16);
    for (std::int64_t row = 0; row < plane.rows; ++row) {
      counts[plane.symbols[static_cast<std::size_t>(row) * plane.columns() + column]] += 1;
    }
    for (const double count : counts) {
      if (count > 0) entropy_bits -= count * std::log2(count / static_cast<double>(plane.rows));
    }
  }
  const Profile profile = calibrated(*stage("static"), place.plane, plane);
  const TestPlace told(&profile);
  const auto of = [&](const Plane& at, const char* tables) {
    return static_cast<double>(round_trip(*stage(tables), at, plane).size()) * 8 / entropy_bits;
  };
  EXPECT_LT(of(told.plane, "static"), 1.01);
  EXPECT_LT(of(place.plane, "adaptive"), 1.01);
}

TEST_P(EntropyStages, DamagedBytesGiveAnErrorOrSymbolsWithinBounds) {
  const TestPlace place;
  std::vector<std::uint8_t> bits = same_bits(40, 4);
  for (std::size_t i = 0; i < bits.size(); i += 5) bits[i] = static_cast<std::uint8_t>(i % 9);
  const TestPlane plane = gaussian_plane(70, bits, 1);
  const auto sent = stage("auto");
  const auto bytes = encoded(*sent, place.plane, plane);
  std::mt19937 generator(9);
  for (int round = 0; round < 1500; ++round) {
    std::vector<std::byte> damaged = bytes;
    if (round % 3 == 0) damaged.resize(generator() % bytes.size());
    for (unsigned i = 0; i <= generator() % 3 && !damaged.empty(); ++i) {
      damaged[generator() % damaged.size()] ^= std::byte{static_cast<unsigned char>(generator())};
    }
    damaged.shrink_to_fit();  // a sanitizer sees the first step outside
    std::vector<std::uint8_t> symbols(plane.symbols.size());
    if (!sent->decode(place.plane, plane.shape, plane.rows, damaged, symbols.data())) continue;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      ASSERT_LT(symbols[i], 1U << bits[i % bits.size()]);
    }
  }
}

TEST_P(EntropyStages, TruncationIsSeen) {
  const TestPlace place;
  const TestPlane plane = gaussian_plane(70, same_bits(40, 4), 1);
  const auto sent = stage("adaptive");
  const auto bytes = encoded(*sent, place.plane, plane);
  ASSERT_EQ(bytes.front(), kSentMode);
  std::vector<std::uint8_t> symbols(plane.symbols.size());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Status status = sent->decode(place.plane, plane.shape, plane.rows,
                                       Bytes(bytes).first(size), symbols.data());
    ASSERT_FALSE(status.has_value()) << size;
    ASSERT_EQ(status.error().code, ErrorCode::kCorrupt);
  }
}

INSTANTIATE_TEST_SUITE_P(All, EntropyStages, testing::Values("rans", "arithmetic"),
                         [](const auto& named) { return std::string(named.param); });

}  // namespace
}  // namespace sluice::kernels
