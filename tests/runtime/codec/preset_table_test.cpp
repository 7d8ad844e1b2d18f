// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/preset_table.hpp"

#include <gmock/gmock.h>

#include <limits>

#include "tests/runtime/codec/codec_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::fixture_cache;
using testing::fixture_pipeline;
using ::testing::HasSubstr;

TEST(PresetTable, APipelineIsMeasured) {
  const auto row = measure_preset(fixture_cache(50), *fixture_pipeline({{"rtn", {{"bits", 4.0}}}}),
                                  nullptr, {}, 1);
  ASSERT_TRUE(row.has_value()) << row.error().message;
  EXPECT_EQ(row->report.pipeline, "tried");
  EXPECT_GT(row->report.ratio, 2.0);
  EXPECT_GT(row->report.key_error, 0.0);
  EXPECT_LT(row->report.key_error, 0.2);
  EXPECT_GT(row->encode_bytes_per_s, 0.0);
  EXPECT_GT(row->decode_bytes_per_s, 0.0);
}

TEST(PresetTable, ErrorsOfEncodingAreHandedOn) {
  DumpedCache cache = fixture_cache(50);
  cache.windows.clear();
  const auto row =
      measure_preset(cache, *fixture_pipeline({{"snapkv", {{"budget", 0.5}}}}), nullptr, {}, 1);
  ASSERT_FALSE(row.has_value());
  EXPECT_THAT(row.error().message, HasSubstr("dump it again"));
}

TEST(PresetTable, IsMarkdownOrJson) {
  PresetRow row;
  row.report.pipeline = "int4";
  row.report.bytes_raw = 400;
  row.report.bytes = 100;
  row.report.ratio = 4.0;
  row.report.bits_per_element = 4.0;
  row.report.kept_share = 0.5;
  row.report.key_error = 0.0123;
  row.report.value_error = 0.25;
  row.report.attention_error = std::numeric_limits<double>::quiet_NaN();
  row.encode_bytes_per_s = 2e9;
  row.decode_bytes_per_s = 3e9;
  EXPECT_THAT(preset_table({&row, 1}),
              HasSubstr("| int4 | 4.00 | 4.00 | 50 % | 1.23 % | 25.00 % | - | 2.00 | 3.00 |\n"));
  const std::vector<PresetRow> rows{row, row};
  const std::string json = preset_json(rows);
  EXPECT_THAT(json, HasSubstr("\"attention_error\": null, \"encode_bytes_per_s\": 2e+09"));
  EXPECT_THAT(json, HasSubstr("},\n  {\"pipeline\": \"int4\", \"bytes_raw\": 400, "));
  EXPECT_EQ(json.back(), '\n');
}

}  // namespace
}  // namespace sluice::runtime
