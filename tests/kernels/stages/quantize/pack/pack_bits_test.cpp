// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/pack/pack_bits.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "tests/kernels/stages/quantize/each_target.hpp"

namespace sluice::kernels {
namespace {

using testing_support::for_each_target;

SymbolShape uniform(std::size_t columns, std::uint8_t bits) {
  SymbolShape shape;
  shape.bits.assign(columns, bits);
  return shape;
}

std::vector<std::uint8_t> random_symbols(const SymbolShape& shape, std::size_t rows) {
  std::mt19937 random(7);
  std::vector<std::uint8_t> symbols(rows * shape.bits.size());
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const unsigned bits = shape.bits[i % shape.bits.size()];
    symbols[i] = static_cast<std::uint8_t>(random() & ((1U << bits) - 1));
  }
  return symbols;
}

// By the header's words: bit by bit.
std::vector<std::byte> packed_plainly(const SymbolShape& shape, std::size_t rows,
                                      const std::vector<std::uint8_t>& symbols) {
  std::vector<std::byte> out;
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<bool> bits;
    for (std::size_t c = 0; c < shape.bits.size(); ++c) {
      for (unsigned bit = 0; bit < shape.bits[c]; ++bit) {
        bits.push_back((symbols[row * shape.bits.size() + c] >> bit & 1) != 0);
      }
    }
    bits.resize((bits.size() + 7) / 8 * 8);
    for (std::size_t byte = 0; byte < bits.size() / 8; ++byte) {
      unsigned value = 0;
      for (unsigned bit = 0; bit < 8; ++bit) {
        value |= static_cast<unsigned>(bits[byte * 8 + bit]) << bit;
      }
      out.push_back(static_cast<std::byte>(value));
    }
  }
  return out;
}

void expect_packs(const SymbolShape& shape, std::size_t rows) {
  const auto symbols = random_symbols(shape, rows);
  const auto expected = packed_plainly(shape, rows, symbols);
  const auto count = static_cast<std::int64_t>(rows);
  ASSERT_EQ(packed_bytes(shape, count), expected.size());
  // A guard behind the end: nothing is written there.
  std::vector<std::byte> packed(expected.size() + 16, std::byte{0xa5});
  pack_symbols(shape, count, symbols.data(), packed.data());
  for (std::size_t i = expected.size(); i < packed.size(); ++i) {
    ASSERT_EQ(packed[i], std::byte{0xa5}) << i;
  }
  packed.resize(expected.size());
  ASSERT_EQ(packed, expected);
  packed.shrink_to_fit();  // so that a sanitizer sees a read past the end
  std::vector<std::uint8_t> back(symbols.size(), 99);
  ASSERT_TRUE(unpack_symbols(shape, count, packed, back.data()));
  ASSERT_EQ(back, symbols);
}

TEST(PackBits, EveryWidthAtEveryLength) {
  for_each_target([] {
    for (std::uint8_t bits = 0; bits <= 8; ++bits) {
      for (const std::size_t columns : {1, 3, 7, 8, 15, 16, 33, 64, 80, 96, 191, 192, 520}) {
        for (const std::size_t rows : {0, 1, 2, 5}) {
          SCOPED_TRACE(testing::Message() << int{bits} << " bits, " << rows << " x " << columns);
          ASSERT_NO_FATAL_FAILURE(expect_packs(uniform(columns, bits), rows));
        }
      }
    }
  });
}

TEST(PackBits, WidthsThatChangeFromColumnToColumn) {
  for_each_target([] {
    std::mt19937 random(3);
    for (int trial = 0; trial < 40; ++trial) {
      SymbolShape shape;
      while (shape.bits.size() < 200) {
        const std::size_t run = 1 + random() % (trial < 20 ? 3 : 40);
        shape.bits.insert(shape.bits.end(), run, static_cast<std::uint8_t>(random() % 9));
      }
      ASSERT_NO_FATAL_FAILURE(expect_packs(shape, 3));
    }
  });
}

TEST(PackBits, TheWrongLengthIsRefused) {
  const SymbolShape shape = uniform(10, 3);
  std::vector<std::uint8_t> symbols(20);
  const std::vector<std::byte> bytes(9);
  for (const std::size_t length : {0, 7, 9}) {
    const auto status = unpack_symbols(shape, 2, Bytes(bytes).first(length), symbols.data());
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  }
}

TEST(PackBits, UnusedBitsAreNotLookedAt) {
  const SymbolShape shape = uniform(3, 2);
  const std::vector<std::byte> bytes = {std::byte{0xd5}};
  std::vector<std::uint8_t> symbols(3);
  ASSERT_TRUE(unpack_symbols(shape, 1, bytes, symbols.data()));
  EXPECT_EQ(symbols, (std::vector<std::uint8_t>{1, 1, 1}));
}

}  // namespace
}  // namespace sluice::kernels
