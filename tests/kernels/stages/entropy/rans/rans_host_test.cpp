// SPDX-License-Identifier: Apache-2.0
// The plain coder against another of a few lines: one lane, one step, as textbooks have it.
#include <gtest/gtest.h>

#include "kernels/core/device.hpp"
#include "kernels/stages/entropy/rans/rans_coder.hpp"
#include "kernels/stages/entropy/rans/rans_device.hpp"
#include "tests/kernels/stages/entropy/rans/rans_cases.hpp"

namespace sluice::kernels {
namespace {

TEST(RansHost, OneRowIsTextbookRans) {
  const RansCase item("one row", gaussian_plane(1, same_bits(500, 4), 1), true);
  // One row per column would give tables of two symbols or three; any table will do.
  const RansWords coded = rans_encode_plain(item.problem(), item.plane.symbols.data());
  std::uint64_t state = 1U << 16;
  std::vector<std::uint16_t> words;  // last first
  for (std::size_t i = 500; i-- > 0;) {
    const auto& table = item.model.tables[i];
    const std::uint64_t frequency = item.model.frequency[table.first + item.plane.symbols[i]];
    const std::uint64_t start = item.model.start[table.first + item.plane.symbols[i]];
    if (state >= frequency << 18) {
      words.push_back(static_cast<std::uint16_t>(state));
      state >>= 16;
    }
    state = state / frequency * 16384 + state % frequency + start;
  }
  words.push_back(static_cast<std::uint16_t>(state));
  words.push_back(static_cast<std::uint16_t>(state >> 16));
  EXPECT_EQ(coded.words, std::vector<std::uint16_t>(words.rbegin(), words.rend()));
}

TEST(RansHost, CutsRowsIntoBlocksOfWholeTeams) {
  const RansLayout layout{.rows = 4096, .columns = 192, .row_bits = 768};
  EXPECT_EQ(layout.blocks(), 12);
  EXPECT_EQ(layout.first_team(0), 0);
  EXPECT_EQ(layout.first_team(12), 128);
  EXPECT_EQ((RansLayout{.rows = 33, .columns = 1 << 20, .row_bits = 4 << 20}).blocks(), 2);
  EXPECT_EQ((RansLayout{.rows = 5, .columns = 1 << 20, .row_bits = 4 << 20}).blocks(), 1);
  EXPECT_EQ((RansLayout{.rows = 5, .columns = 7, .row_bits = 28}).lanes(), 5);
}

TEST(RansHost, WithoutCudaTheLauncherSaysSo) {
  if (is_built_with_cuda()) GTEST_SKIP() << "this build has CUDA";
  EXPECT_EQ(rans_decode_on_cuda({}, nullptr).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(rans_encode_on_cuda({}, nullptr).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::kernels
