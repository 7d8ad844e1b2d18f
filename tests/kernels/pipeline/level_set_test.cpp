// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/level_set.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/stages/plane.hpp"

namespace sluice::kernels {
namespace {

using Levels = std::vector<std::uint8_t>;

std::vector<std::byte> coded(const Levels& levels) {
  ByteWriter writer;
  write_level_set(levels, writer);
  return writer.bytes();
}

Levels expanded(const LevelSet& set) {
  Levels levels;
  set.each_run([&](std::uint8_t level, std::int64_t first, std::int64_t last) {
    EXPECT_EQ(first, static_cast<std::int64_t>(levels.size()));
    EXPECT_LT(first, last);
    levels.insert(levels.end(), static_cast<std::size_t>(last - first), level);
  });
  return levels;
}

Levels random_levels(std::size_t tokens, const Levels& choices, unsigned seed) {
  std::mt19937 random(seed);
  Levels levels(tokens);
  for (auto& level : levels) level = choices[random() % choices.size()];
  return levels;
}

Levels windowed(std::size_t tokens) {
  Levels levels(tokens, kLevelDropped);
  std::fill(levels.begin(), levels.begin() + 4, std::uint8_t{1});
  std::fill(levels.end() - 64, levels.end(), kLevelExact);
  return levels;
}

std::vector<Levels> patterns() {
  std::vector<Levels> all{{}, {1}, {0}, {255}, Levels(1000, 1), Levels(1000, 0), windowed(1000)};
  const Levels choices{0, 1, 2, 3, 4, 5, 6, 7, 8, 255};
  for (std::size_t count = 2; count <= choices.size(); ++count) {
    for (const std::size_t tokens : {1U, 7U, 8U, 1000U}) {
      const Levels some(choices.begin(), choices.begin() + static_cast<std::ptrdiff_t>(count));
      all.push_back(random_levels(tokens, some, static_cast<unsigned>(count * 10000 + tokens)));
    }
  }
  return all;
}

TEST(LevelSet, ComesBackAndIsNotLargerThanItsBound) {
  for (const Levels& levels : patterns()) {
    const auto tokens = static_cast<std::int64_t>(levels.size());
    auto bytes = coded(levels);
    EXPECT_LE(bytes.size(), level_set_bytes_max(tokens));
    bytes.push_back(std::byte{0x77});  // what follows in the frame
    ByteReader reader(bytes);
    const auto set = LevelSet::read(reader, tokens);
    ASSERT_TRUE(set) << set.error().message;
    EXPECT_EQ(reader.remaining(), 1U);
    EXPECT_EQ(expanded(*set), levels);
    EXPECT_EQ(set->kept(), tokens - std::count(levels.begin(), levels.end(), kLevelDropped));
    EXPECT_EQ(set->count(1), std::count(levels.begin(), levels.end(), 1));
  }
}

TEST(LevelSet, TakesTheSmallestForm) {
  EXPECT_EQ(coded(Levels(100000, 1)).size(), 2U);
  EXPECT_LE(coded(windowed(100000)).size(), 4U + 8U);
  // A random half: a bit for each token. Three levels: two bits.
  EXPECT_EQ(coded(random_levels(1000, {0, 1}, 1)).size(), 3U + 125U);
  EXPECT_EQ(coded(random_levels(1000, {0, 1, 2}, 1)).size(), 4U + 250U);
}

TEST(LevelSet, EveryTruncationIsAnError) {
  for (const Levels& levels : patterns()) {
    const auto bytes = coded(levels);
    for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 8) {
      ByteReader reader(Bytes(bytes).first(size));
      const auto set = LevelSet::read(reader, static_cast<std::int64_t>(levels.size()));
      ASSERT_FALSE(set);
      EXPECT_EQ(set.error().code, ErrorCode::kCorrupt);
    }
  }
}

// A flipped set is refused, or covers exactly the tokens with levels that exist.
TEST(LevelSet, AFlippedBitNeverLeavesTheTokens) {
  int refused = 0;
  for (const Levels& levels : patterns()) {
    const auto whole = coded(levels);
    for (std::size_t bit = 0; bit < std::min<std::size_t>(whole.size() * 8, 200); ++bit) {
      auto bytes = whole;
      bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      ByteReader reader(bytes);
      const auto set = LevelSet::read(reader, static_cast<std::int64_t>(levels.size()));
      if (!set) {
        ++refused;
        continue;
      }
      const Levels got = expanded(*set);
      EXPECT_EQ(got.size(), levels.size());
      for (const auto level : got) EXPECT_TRUE(level <= kLevelsMax || level == kLevelExact);
    }
  }
  EXPECT_GT(refused, 100);
}

// A few bytes may claim two thousand million tokens; nothing is as large as the claim.
TEST(LevelSet, AHugeClaimTakesNoTimeAndNoMemory) {
  ByteReader reader(Bytes{});
  const std::array<std::byte, 2> uniform{std::byte{1 << 2}, std::byte{1}};
  reader = ByteReader(uniform);
  const auto set = LevelSet::read(reader, 0x7fffffff);
  ASSERT_TRUE(set);
  EXPECT_EQ(set->kept(), 0x7fffffff);
}

TEST(Varint, ComesBackAndMoreThanSixtyFourBitsAreRefused) {
  for (const std::uint64_t value : {0ULL, 1ULL, 127ULL, 128ULL, 300ULL, 1ULL << 35, ~0ULL}) {
    ByteWriter writer;
    put_varint(writer, value);
    ByteReader reader(writer.bytes());
    EXPECT_EQ(get_varint(reader).value(), value);
    EXPECT_EQ(reader.remaining(), 0U);
  }
  const std::vector<std::byte> endless(11, std::byte{0xff});
  ByteReader reader(endless);
  EXPECT_FALSE(get_varint(reader));
  ByteReader empty(Bytes{});
  EXPECT_FALSE(get_varint(empty));
}

}  // namespace
}  // namespace sluice::kernels
