// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/timeline_json.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(TimelineJson, EveryFieldUnderItsName) {
  RequestTimeline timeline;
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
            R"({"prompt_tokens": 1, "output_tokens": 11, "queue_us": 3, "prefill_us": 4, )"
            R"("encode_us": 5, "wire_us": 6, "decode_us": 7, "handover_us": 8, )"
            R"("first_token_us": 1000000, "total_us": 2000000, "kv_bytes_raw": 9, )"
            R"("kv_bytes_wire": 10, "link_bytes_per_s": 1500000000, )"
            R"("decode_tokens_per_s": 10.000})");
}

}  // namespace
}  // namespace sluice::runtime
