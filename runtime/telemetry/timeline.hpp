// SPDX-License-Identifier: Apache-2.0
// Where one request's time and bytes went, as measured by the processes that spent them.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::runtime {

// Durations in microseconds, each taken on one process's own monotonic clock, so they add up
// across hosts; what they leave of `first_token_us` is control messages and waking up.
struct RequestTimeline {
  std::string pipeline = {};  // its name; empty: none was at work
  std::int64_t prompt_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t queue_us = 0;    // submitted until the prefill engine took it, control included
  std::int64_t prefill_us = 0;  // prefill engine at work, scoring within
  std::int64_t score_us = 0;    // of it: attention watched for the pipeline's selection
  std::int64_t encode_us = 0;   // frames made, summed over the threads beside the engine
  std::int64_t encode_exposed_us = 0;  // last prefill kernel's end until the last frame was made
  std::int64_t wire_us = 0;            // exposed: from then on, until the last flush
  std::int64_t decode_us = 0;          // manifest seen until the first token left the decode worker
  std::int64_t unpack_us = 0;          // frames checked and decoded, summed over threads
  // Last prefill kernel's end until the first decode step's start, on one host; 0 across hosts,
  // whose clocks differ.
  std::int64_t handover_us = 0;
  std::int64_t first_token_us = 0;  // submitted until the first token was handed to the user
  std::int64_t total_us = 0;        // submitted until the last token
  std::int64_t attempts = 1;  // more: workers before failed, and the parts are those of the last
  std::uint64_t kv_bytes_raw = 0;  // BF16, before any codec
  std::uint64_t kv_bytes_wire = 0;
  double kept_share = 1.0;        // of K and V, after selection
  double link_bytes_per_s = 0.0;  // while writes of this request were in flight
  std::int64_t prefill_cached_tokens = 0;  // not computed: the prefill worker had their KV
  std::int64_t decode_cached_tokens = 0;   // not sent: the decode worker had their KV
  std::int64_t predicted_us = 0;           // first_token_us, when it was placed; 0: unknown
  // Level changes while it was under way: "best@8 30 layers, best@20 10"; empty: none.
  std::string levels = {};
};

}  // namespace sluice::runtime
