// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/timeline_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <utility>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

RequestTimeline example() {
  return {.prompt_tokens = 2041,
          .output_tokens = 25,
          .queue_us = 1500,
          .prefill_us = 900'000,
          .encode_exposed_us = 20'000,
          .wire_us = 4'000,
          .decode_us = 70'000,
          .first_token_us = 1'000'000,
          .total_us = 1'480'000,
          .kv_bytes_raw = 46'900'000,
          .kv_bytes_wire = 23'450'000,
          .link_bytes_per_s = 2.21e9};
}

// Columns on a terminal: UTF-8 bytes less continuation bytes (no wide characters here).
std::size_t columns(const std::string& line) {
  std::size_t count = 0;
  for (const char byte : line) count += (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U;
  return count;
}

TEST(TimelineTable, AttemptsAreARowWhereThereWereSeveral) {
  RequestTimeline timeline = example();
  EXPECT_THAT(format_timeline(timeline), ::testing::Not(HasSubstr("attempts")));
  timeline.attempts = 3;
  EXPECT_THAT(format_timeline(timeline), HasSubstr("attempts               │              3"));
}

TEST(TimelineTable, HasEveryFigure) {
  const std::string table = format_timeline(example());
  EXPECT_THAT(table, HasSubstr("prompt                 │   2,041 tokens"));
  EXPECT_THAT(table, HasSubstr("answer                 │      25 tokens"));
  EXPECT_THAT(table, HasSubstr("time to first token    │    1,000.00 ms"));
  EXPECT_THAT(table, HasSubstr("  queue                │        1.50 ms     0 %"));
  EXPECT_THAT(table,
              HasSubstr("  prefill              │      900.00 ms    90 % ██████████████████████ "));
  EXPECT_THAT(table, HasSubstr("  encode               │       20.00 ms     2 %"));
  EXPECT_THAT(table, HasSubstr("  wire                 │        4.00 ms     0 %"));
  EXPECT_THAT(table, HasSubstr("  decode               │       70.00 ms     7 % ██ "));
  EXPECT_THAT(table, HasSubstr("  other                │        4.50 ms     0 %"));
  EXPECT_THAT(table, HasSubstr("KV raw                 │        46.9 MB"));
  EXPECT_THAT(table, HasSubstr("KV on the wire         │        23.4 MB  2.00x smaller"));
  EXPECT_THAT(table, HasSubstr("link rate              │      2.21 GB/s"));
  EXPECT_THAT(table, HasSubstr("prefill rate           │ 2,268 tokens/s"));
  EXPECT_THAT(table, HasSubstr("decode rate            │  50.0 tokens/s"));
  EXPECT_THAT(table, HasSubstr("total                  │    1,480.00 ms"));
}

RequestTimeline selected() {
  RequestTimeline timeline = example();
  timeline.pipeline = "q2c+int4";
  timeline.score_us = 30'000;
  timeline.encode_us = 45'000;
  timeline.unpack_us = 12'000;
  timeline.kept_share = 0.254;
  return timeline;
}

TEST(TimelineTable, SaysWhatThePipelineDid) {
  const std::string table = format_timeline(selected());
  EXPECT_THAT(table, HasSubstr("pipeline               │       q2c+int4"));
  EXPECT_THAT(table, HasSubstr("KV kept                │         25.4 %"));
  EXPECT_THAT(table, HasSubstr("scoring, in prefill    │       30.00 ms"));
  EXPECT_THAT(table, HasSubstr("encoding, all          │       45.00 ms"));
  EXPECT_THAT(table, HasSubstr("decoding, all          │       12.00 ms"));
}

TEST(TimelineTable, AllLinesAreEquallyWide) {
  RequestTimeline long_name = selected();
  long_name.pipeline = std::string(64, 'a');
  for (const auto& [timeline, expected] :
       {std::pair{example(), 20}, {RequestTimeline{}, 20}, {selected(), 25}, {long_name, 25}}) {
    std::istringstream lines(format_timeline(timeline));
    std::string line;
    int count = 0;
    while (std::getline(lines, line)) {
      EXPECT_EQ(columns(line), 76U) << line;
      ++count;
    }
    EXPECT_EQ(count, expected);
  }
}

TEST(TimelineTable, WhatWasNotMeasuredIsADash) {
  const std::string table = format_timeline({});
  EXPECT_THAT(table, HasSubstr("link rate              │              -"));
  EXPECT_THAT(table, HasSubstr("decode rate            │              -"));
  EXPECT_THAT(table, ::testing::Not(HasSubstr("nan")));
  EXPECT_THAT(table, ::testing::Not(HasSubstr("inf")));
}

TEST(TimelineTable, PartsLongerThanTheWholeAreShownAsTheyAre) {
  RequestTimeline timeline = example();
  timeline.first_token_us = 900'000;
  EXPECT_THAT(format_timeline(timeline),
              HasSubstr("  other                │      -95.50 ms   -11 %"));
}

TEST(DecodeTokensPerSecond, CountsTheTokensAfterTheFirst) {
  EXPECT_DOUBLE_EQ(decode_tokens_per_s(example()), 50.0);
  RequestTimeline one = example();
  one.output_tokens = 1;
  EXPECT_EQ(decode_tokens_per_s(one), 0.0);
  RequestTimeline at_once = example();
  at_once.total_us = at_once.first_token_us;
  EXPECT_EQ(decode_tokens_per_s(at_once), 0.0);
}

}  // namespace
}  // namespace sluice::runtime
