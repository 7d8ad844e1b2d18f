// SPDX-License-Identifier: Apache-2.0
// The tuned encoder against the plain body, on every instruction set.
#include <gtest/gtest.h>

#include "kernels/stages/entropy/rans/rans_coder.hpp"
#include "tests/kernels/stages/entropy/rans/rans_cases.hpp"

namespace sluice::kernels {
namespace {

TEST(RansEncode, EveryTargetWritesTheSameWords) {
  for (const RansCase& item : rans_cases()) {
    SCOPED_TRACE(item.name);
    const RansWords plain = rans_encode_plain(item.problem(), item.plane.symbols.data());
    for_each_target([&] {
      const RansWords coded = rans_encode(item.problem(), item.plane.symbols.data());
      EXPECT_EQ(coded.words_first, plain.words_first);
      EXPECT_EQ(coded.words, plain.words);
    });
  }
}

// The bound that the plain encoder's and a GPU's memory is made by.
TEST(RansEncode, ABlockKeepsItsBound) {
  for (const RansCase& item : rans_cases()) {
    const RansWords coded = rans_encode(item.problem(), item.plane.symbols.data());
    const RansLayout layout = item.problem().layout();
    ASSERT_EQ(coded.words_first.size(), static_cast<std::size_t>(layout.blocks()) + 1);
    for (std::int64_t block = 0; block < layout.blocks(); ++block) {
      const auto b = static_cast<std::size_t>(block);
      EXPECT_LE(coded.words_first[b + 1] - coded.words_first[b],
                static_cast<std::uint64_t>(layout.words_max(block)));
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
