// SPDX-License-Identifier: Apache-2.0
// What became of one item under one pipeline. A line of the results file.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::runtime {

// The whole cache, without frames: what all others are compared with.
inline constexpr const char* kFullCache = "full";

struct Outcome {
  std::string key;  // of what was measured: outcome_key()
  std::string task;
  std::string item;
  std::string pipeline;  // its name; kFullCache
  // Of the item.
  std::int64_t tokens = 0;  // of the prompt
  std::int64_t length = 0;
  double depth = 0.0;
  std::int64_t keys = 0;
  // Of the frames.
  std::int64_t raw_bytes = 0;  // BF16 of the whole cache
  std::int64_t bytes = 0;      // of all frames, everything counted
  double encode_s = 0.0;       // on one thread, scores not counted
  double decode_s = 0.0;
  // Of the answers.
  double score = 0.0;  // of the model's own greedy answer after the frames, by the task's rules
  double exact_match = 0.0;  // of the same
  double nll = 0.0;          // of the gold answer, nats per token, teacher-forced
  double kl = 0.0;           // from the full cache's distributions along the gold answer, per token
  double top1 = 0.0;         // share of its tokens at which both find the same token most probable
  double own_kl = 0.0;       // the same two along the full cache's own greedy answer
  double own_top1 = 0.0;
  std::string said;  // the answer after the frames

  double ratio() const { return static_cast<double>(raw_bytes) / static_cast<double>(bytes); }
};

}  // namespace sluice::runtime
