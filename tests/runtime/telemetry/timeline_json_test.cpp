// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/timeline_json.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(TimelineJson, EveryFieldUnderItsName) {
  RequestTimeline timeline;
  timeline.pipeline = "int4";
  timeline.score_us = 12;
  timeline.encode_exposed_us = 13;
  timeline.unpack_us = 14;
  timeline.kept_share = 0.25;
  timeline.prompt_tokens = 1;
  timeline.output_tokens = 11;
  timeline.queue_us = 3;
  timeline.prefill_us = 4;
  timeline.encode_us = 5;
  timeline.wire_us = 6;
  timeline.decode_us = 7;
  timeline.handover_us = 8;
  timeline.first_token_us = 1000000;
  timeline.total_us = 2000000;
  timeline.kv_bytes_raw = 9;
  timeline.kv_bytes_wire = 10;
  timeline.link_bytes_per_s = 1.5e9;
  EXPECT_EQ(timeline_json(timeline),
            R"({"pipeline": "int4", "prompt_tokens": 1, "output_tokens": 11, "queue_us": 3, )"
            R"("prefill_us": 4, "score_us": 12, "encode_us": 5, "encode_exposed_us": 13, )"
            R"("wire_us": 6, "decode_us": 7, "unpack_us": 14, "handover_us": 8, )"
            R"("first_token_us": 1000000, "total_us": 2000000, "kv_bytes_raw": 9, )"
            R"("kv_bytes_wire": 10, "kept_share": 0.250000, "link_bytes_per_s": 1500000000, )"
            R"("decode_tokens_per_s": 10.000})");
}

TEST(TimelineJson, WhatMostRequestsHaveNothingOfIsSaidWhereThereIsSome) {
  RequestTimeline timeline;
  timeline.prefill_cached_tokens = 64;
  timeline.decode_cached_tokens = 32;
  timeline.predicted_us = 5;
  timeline.levels = "best@8 30 layers";
  EXPECT_NE(timeline_json(timeline).find(
                R"("prefill_cached_tokens": 64, "decode_cached_tokens": 32, "predicted_us": 5, )"
                R"("levels": "best@8 30 layers", "kept_share")"),
            std::string::npos);
}

TEST(TimelineJson, AttemptsAreSaidWhereThereWereSeveral) {
  RequestTimeline timeline;
  EXPECT_EQ(timeline_json(timeline).find("attempts"), std::string::npos);
  timeline.attempts = 2;
  EXPECT_NE(timeline_json(timeline).find(R"("kv_bytes_wire": 0, "attempts": 2, "kept_share")"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::runtime
