// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_counts_device.hpp"

#include <gtest/gtest.h>

#include "kernels/core/device.hpp"
#include "tests/kernels/stages/entropy/test_symbols.hpp"

namespace sluice::kernels {
namespace {

TEST(CountSymbolsOn, CountsWhatTheHostCounts) {
  const auto queue = make_host_queue();
  std::vector<std::uint8_t> bits;
  for (int i = 0; i < 100; ++i) bits.push_back(static_cast<std::uint8_t>(i % 9));
  for (const std::int64_t rows : {1, 31, 300}) {
    TestPlane plane = gaussian_plane(rows, bits, 1);
    for (auto& context : plane.shape.context) context /= 20;
    const SymbolGroups groups = SymbolGroups::of(plane.shape).value();
    const SymbolCounts expected = count_symbols(groups, rows, plane.symbols.data());
    const auto counts = count_symbols_on(*queue, groups, rows, plane.symbols.data());
    ASSERT_TRUE(counts) << counts.error().message;
    EXPECT_EQ(counts->first, expected.first);
    EXPECT_EQ(counts->counts, expected.counts);
  }
}

TEST(CountSymbolsOn, WithoutCudaTheLauncherSaysSo) {
  if (is_built_with_cuda()) GTEST_SKIP() << "a build with CUDA";
  EXPECT_EQ(count_symbols_on_cuda({}, nullptr).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::kernels
