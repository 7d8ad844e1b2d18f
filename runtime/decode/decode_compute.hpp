// SPDX-License-Identifier: Apache-2.0
// What a decode worker has computed for it: sequences in, tokens out. DecodeLoop does it with a
// model, in a thread; tests do it without one, in the caller's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/kv/kv_pool.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// A sequence whose prompt is in the pool and whose first token is known; or one whose prompt is to
// be computed first.
struct DecodeJob {
  RequestId request = 0;
  KvSequence sequence;  // blocks for the prompt and the whole answer
  TokenId first_token = 0;
  std::int64_t tokens_max = 0;  // of the answer, the first token included
  bool ignore_end = false;
  SamplingOptions sampling;
  std::int64_t prefill_end_us = 0;  // on this host's clock; 0: on another's
  // Not empty: of these the first `sequence.tokens` are in the pool, at least one is not, and the
  // first token is not known. It is an event then, of index 0.
  std::vector<TokenId> prompt = {};
  std::int64_t arrived_us = 0;  // of that request, on this host's clock
};

struct DecodeEvent {
  struct Loaded {
    bool ready = false;
    std::string error;
  };
  struct Token {
    std::int64_t index = 0;
    TokenId token = 0;
    FinishReason finish = FinishReason::kNone;
    std::int64_t handover_us = 0;  // on the first decoded token
    std::int64_t step_us = 0;      // of the step that made it; told by one of a step's tokens
    // On the first token of a prompt that was computed here: it waited, and was computed, so long.
    std::int64_t queue_us = 0;
    std::int64_t prefill_us = 0;
  };
  struct Failed {
    Error error;
  };

  RequestId request = 0;
  std::variant<Loaded, Token, Failed> what;
  std::vector<KvBlockId> blocks;  // with a sequence's last event: to be released
};

class DecodeCompute {
 public:
  virtual ~DecodeCompute() = default;
  virtual void submit(DecodeJob job) = 0;
  // Ends the sequence early, with a last token of kCancelled.
  virtual void cancel(RequestId request) = 0;
};

// `emit` may be called by any thread, until the computation is destroyed. `pool` outlives it; it
// reads and writes only the blocks of its sequences.
using DecodeComputeFactory = std::function<std::unique_ptr<DecodeCompute>(
    KvPool& pool, std::function<void(DecodeEvent)> emit)>;

}  // namespace sluice::runtime
