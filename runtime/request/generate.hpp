// SPDX-License-Identifier: Apache-2.0
// What the front (HTTP, or `sluice run`) asks of the serving core, and how tokens come back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/telemetry/timeline.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

struct SamplingOptions {
  double temperature = 0.0;  // 0: greedy, the most likely token, ties to the lowest id
  double top_p = 1.0;
  std::int64_t top_k = 0;  // 0: all
  std::uint64_t seed = 0;
};

struct GenerateRequest {
  std::vector<TokenId> prompt;    // not empty
  std::int64_t tokens_max = 128;  // of the answer, the first token included
  bool ignore_end = false;        // go on after an end-of-text token
  SamplingOptions sampling;
  std::string pipeline;              // a preset's name; empty: the cluster's
  std::int64_t question_tokens = 0;  // at the prompt's end: the task; 0: not known
  std::string slo_class;             // of the cluster file; empty: its first
  double kl_max = 0.0;               // the coarsest level accepted; 0: the class's
};

enum class FinishReason : std::uint8_t { kNone, kStop, kLength, kCancelled };

struct GenerateEvent {
  TokenId token = 0;
  FinishReason finish =
      FinishReason::kNone;  // not kNone: the last event; kStop's token is the end token
};

// One answer on its way. Pulled by one thread. Dropping it cancels the request.
class GenerateStream {
 public:
  virtual ~GenerateStream() = default;
  // Blocks for the next token. An Error ends the stream: never a plausible token instead.
  virtual Result<GenerateEvent> next() = 0;
  // Whether next() would return at once; for whoever must not block.
  virtual bool has_next() const { return true; }
  virtual void cancel() = 0;                     // any thread; next() then ends with kCancelled
  virtual RequestTimeline timeline() const = 0;  // complete after the last event
  // When kResourceExhausted has ended it: after how many seconds to come again; 0: not known.
  virtual double retry_after_s() const { return 0.0; }
};

// Any thread may submit.
class Generator {
 public:
  virtual ~Generator() = default;
  // kInvalidArgument: empty prompt, or prompt plus answer over the context (both numbers named).
  // kResourceExhausted: over capacity now. kUnavailable: no worker of a needed role.
  virtual Result<std::unique_ptr<GenerateStream>> submit(GenerateRequest request) = 0;
};

}  // namespace sluice::runtime
