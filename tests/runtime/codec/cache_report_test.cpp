// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/cache_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/dtype.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

// One layer, one head of two channels, two tokens; [K, V][tokens][channels].
DumpedCache two_tokens(const std::vector<float>& rows) {
  DumpedCache cache({.layers = 1, .kv_heads = 1, .head_dim = 2, .rope = {}}, 1, 2);
  auto* to = reinterpret_cast<std::uint16_t*>(cache.pages(0).blocks[0]);
  for (std::size_t i = 0; i < rows.size(); ++i) to[i] = bf16_from_f32(rows[i]);
  return cache;
}

DecodedCache decoded_as(DumpedCache cache, std::vector<std::int32_t> positions) {
  kernels::FrameInfo frame;
  frame.pipeline = "tried";
  frame.layer_count = 1;
  frame.frame_bytes = 4;
  frame.checksum = 0xabc;
  return {std::move(cache), {frame}, {std::move(positions)}};
}

TEST(CacheReport, ErrorsAreRelativeRootMeanSquares) {
  const DumpedCache original = two_tokens({3, 4, 0, 0, 1, 0, 0, 1});
  const auto report =
      report_cache(decoded_as(two_tokens({3, 3, 0, 0, 1, 0, 0, 0.5}), {0, 1}), &original);
  EXPECT_EQ(report.pipeline, "tried");
  EXPECT_EQ(report.bytes_raw, 16U);
  EXPECT_EQ(report.bytes, 4U);
  EXPECT_DOUBLE_EQ(report.ratio, 4.0);
  EXPECT_DOUBLE_EQ(report.bits_per_element, 4.0);
  EXPECT_DOUBLE_EQ(report.kept_share, 1.0);
  EXPECT_DOUBLE_EQ(report.key_error, 0.2);  // 1 / sqrt(25)
  EXPECT_DOUBLE_EQ(report.value_error, std::sqrt(0.25 / 2.0));
  EXPECT_TRUE(std::isnan(report.attention_error));  // no queries were dumped
  ASSERT_EQ(report.layers.size(), 1U);
  EXPECT_EQ(report.layers[0].checksum, 0xabcU);
}

TEST(CacheReport, DroppedRowsCountInAttentionAlone) {
  DumpedCache original = two_tokens({0, 0, 0, 0, 1, 0, 0, 1});
  // A query that sees both tokens alike: the output is the mean of the values, (0.5, 0.5).
  original.windows = {{{1.0F, 1.0F}, {std::log(2.0F)}}};
  // Only the second token is left, and sits in the first row.
  const auto report =
      report_cache(decoded_as(two_tokens({0, 0, 0, 0, 0, 1, 0, 0}), {1}), &original);
  EXPECT_DOUBLE_EQ(report.kept_share, 0.5);
  EXPECT_DOUBLE_EQ(report.key_error, 0.0);
  EXPECT_DOUBLE_EQ(report.value_error, 0.0);
  EXPECT_DOUBLE_EQ(report.attention_error, 1.0);  // |(0.5, -0.5)| / |(0.5, 0.5)|
}

TEST(CacheReport, WithoutAnOriginalHasNoErrors) {
  const auto report =
      report_cache(decoded_as(two_tokens({1, 2, 3, 4, 5, 6, 7, 8}), {0, 1}), nullptr);
  EXPECT_TRUE(std::isnan(report.key_error));
  const std::string table = report_table(report);
  EXPECT_THAT(table, HasSubstr("100.00 %"));
  EXPECT_THAT(table, HasSubstr("4.00x         -         -          -  0000000000000abc"));
  EXPECT_THAT(table, HasSubstr("\n  all "));
}

}  // namespace
}  // namespace sluice::runtime
