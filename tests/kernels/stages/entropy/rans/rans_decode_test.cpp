// SPDX-License-Identifier: Apache-2.0
// The tuned decoder against the plain body, on every instruction set.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>

#include "kernels/stages/entropy/rans/rans_coder.hpp"
#include "kernels/stages/entropy/symbol_counts.hpp"
#include "tests/kernels/stages/entropy/rans/rans_cases.hpp"

namespace sluice::kernels {
namespace {

// As the stage lays them out: zeros behind each block.
struct PaddedBlocks {
  explicit PaddedBlocks(const RansWords& coded) {
    const std::size_t count = coded.words_first.size() - 1;
    words.resize(coded.words.size() + count * kRansPadWords);
    std::size_t place = 0;
    for (std::size_t block = 0; block < count; ++block) {
      const auto first =
          coded.words.begin() + static_cast<std::ptrdiff_t>(coded.words_first[block]);
      const std::size_t size = coded.words_first[block + 1] - coded.words_first[block];
      std::copy_n(first, size, words.begin() + static_cast<std::ptrdiff_t>(place));
      blocks.push_back({words.data() + place, size});
      place += size + kRansPadWords;
    }
  }
  std::vector<std::uint16_t> words;
  std::vector<RansBlockWords> blocks;
};

TEST(RansDecode, EveryTargetUndoesTheEncoder) {
  for (const RansCase& item : rans_cases()) {
    SCOPED_TRACE(item.name);
    const RansWords coded = rans_encode_plain(item.problem(), item.plane.symbols.data());
    const PaddedBlocks padded(coded);
    for_each_target([&] {
      std::vector<std::uint8_t> symbols(item.plane.symbols.size());
      EXPECT_TRUE(rans_decode(item.problem(), padded.blocks, symbols.data()));
      EXPECT_EQ(symbols, item.plane.symbols);
    });
    std::vector<std::uint8_t> symbols(item.plane.symbols.size());
    EXPECT_TRUE(rans_decode_plain(item.problem(), padded.blocks, symbols.data()));
    EXPECT_EQ(symbols, item.plane.symbols);
  }
}

TEST(RansDecode, EveryTargetMakesTheSameOfWrongWords) {
  std::mt19937 generator(4);
  for (const RansCase& item : rans_cases()) {
    SCOPED_TRACE(item.name);
    const RansWords coded = rans_encode_plain(item.problem(), item.plane.symbols.data());
    for (int round = 0; round < 3; ++round) {
      PaddedBlocks padded(coded);
      RansBlockWords& block = padded.blocks[generator() % padded.blocks.size()];
      const auto at = static_cast<std::size_t>(block.words - padded.words.data());
      for (int i = 0; i < 4; ++i) {
        padded.words[at + generator() % block.count] = static_cast<std::uint16_t>(generator());
      }
      if (round == 1) {  // too few words
        const auto states = static_cast<std::size_t>(2 * item.problem().layout().lanes());
        const std::size_t fewer = std::max(block.count / 2, states);
        std::fill_n(padded.words.begin() + static_cast<std::ptrdiff_t>(at + fewer),
                    block.count - fewer, std::uint16_t{0});
        block.count = fewer;
      }
      std::vector<std::uint8_t> plain(item.plane.symbols.size());
      const bool is_well = rans_decode_plain(item.problem(), padded.blocks, plain.data());
      for_each_target([&] {
        std::vector<std::uint8_t> symbols(item.plane.symbols.size());
        EXPECT_EQ(rans_decode(item.problem(), padded.blocks, symbols.data()), is_well);
        EXPECT_EQ(symbols, plain);
      });
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
