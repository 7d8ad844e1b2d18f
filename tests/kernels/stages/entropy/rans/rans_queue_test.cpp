// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/rans/rans_queue.hpp"

#include <gtest/gtest.h>

#include "tests/kernels/stages/entropy/rans/rans_cases.hpp"

namespace sluice::kernels {
namespace {

TEST(RansOnAQueue, WordsAreTheHostsAndSymbolsComeBack) {
  const auto queue = make_host_queue();
  for (const RansCase& item : rans_cases()) {
    SCOPED_TRACE(item.name);
    const RansWords expected = rans_encode(item.problem(), item.plane.symbols.data());
    const auto coded = rans_encode_on(*queue, item.problem(), item.plane.symbols.data());
    ASSERT_TRUE(coded) << coded.error().message;
    EXPECT_EQ(coded->words, expected.words);
    EXPECT_EQ(coded->words_first, expected.words_first);

    std::vector<RansBlockWords> blocks;
    for (std::size_t block = 0; block + 1 < coded->words_first.size(); ++block) {
      blocks.push_back({coded->words.data() + coded->words_first[block],
                        coded->words_first[block + 1] - coded->words_first[block]});
    }
    std::vector<std::uint8_t> symbols(item.plane.symbols.size());
    ASSERT_TRUE(rans_decode_on(*queue, item.problem(), blocks, symbols.data()));
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      if (item.plane.shape.bits[i % item.plane.columns()] == 0) continue;
      ASSERT_EQ(symbols[i], item.plane.symbols[i]) << i;
    }
    // One word less: the block cannot end where it began.
    if (blocks.back().count <= static_cast<std::size_t>(2 * item.problem().layout().lanes())) {
      continue;
    }
    --blocks.back().count;
    const Status cut = rans_decode_on(*queue, item.problem(), blocks, symbols.data());
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace sluice::kernels
