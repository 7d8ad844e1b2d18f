// SPDX-License-Identifier: Apache-2.0
// What the stage adds to plane_coder_test.cpp: the bytes of spec.md.
#include "kernels/stages/entropy/rans/rans.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/kernels/stages/entropy/test_symbols.hpp"

namespace sluice::kernels {
namespace {

constexpr std::size_t kRows = 40;  // a team of 32 and one of 8, in one block
constexpr std::size_t kColumns = 30;

// A reader of one block under one table of four symbols, from spec.md alone.
std::vector<std::uint8_t> read_block(Bytes bytes) {
  constexpr std::uint32_t kStart[5] = {0, 12288, 15360, 16128, 16384};
  std::uint32_t count = 0;
  std::memcpy(&count, bytes.data(), sizeof count);
  std::vector<std::uint16_t> words(count);
  EXPECT_EQ(bytes.size(), 4 + 2 * std::size_t{count});
  std::memcpy(words.data(), bytes.data() + 4, 2 * std::size_t{count});
  std::uint32_t state[32];
  for (std::size_t lane = 0; lane < 32; ++lane) {
    state[lane] = std::uint32_t{words[lane]} * 65536 + words[32 + lane];
  }
  std::size_t next = 64;
  std::vector<std::uint8_t> symbols(kRows * kColumns);
  for (std::size_t team = 0; team < kRows; team += 32) {
    for (std::size_t column = 0; column < kColumns; ++column) {
      for (std::size_t lane = 0; lane < 32 && team + lane < kRows; ++lane) {
        const std::uint32_t slot = state[lane] % 16384;
        std::uint8_t symbol = 0;
        while (kStart[symbol + 1] <= slot) ++symbol;
        state[lane] =
            (kStart[symbol + 1] - kStart[symbol]) * (state[lane] / 16384) + slot - kStart[symbol];
        if (state[lane] < 65536) state[lane] = state[lane] * 65536 + words.at(next++);
        symbols[(team + lane) * kColumns + column] = symbol;
      }
    }
  }
  EXPECT_EQ(next, words.size());
  for (const std::uint32_t left : state) EXPECT_EQ(left, 65536U);
  return symbols;
}

TEST(Rans, BytesAreAsSpecified) {
  TestPlane plane = gaussian_plane(kRows, same_bits(kColumns, 2), 1);
  for (std::size_t i = 0; i < plane.symbols.size(); ++i) {
    plane.symbols[i] = static_cast<std::uint8_t>(i % 17 == 0 ? i % 4 : 0);
  }
  Profile profile;
  const TestPlace place(&profile);
  std::vector<std::int32_t> frequencies;
  for (std::size_t column = 0; column < kColumns; ++column) {
    frequencies.insert(frequencies.end(), {12288, 3072, 768, 256});
  }
  profile.put("rans.test.freq.level1.k.0", DType::kI32, {kColumns, 4},
              std::as_bytes(std::span(frequencies)));
  const auto bytes = encoded(*make_entropy_stage(rans_row(), "static"), place.plane, plane);
  ASSERT_EQ(bytes.front(), std::byte{1});
  EXPECT_EQ(read_block(Bytes(bytes).subspan(1)), plane.symbols);
}

}  // namespace
}  // namespace sluice::kernels
