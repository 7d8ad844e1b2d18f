// SPDX-License-Identifier: Apache-2.0
// The compute thread of a decode worker: continuous batching over the sequences handed to it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "runtime/config/config.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/transfer/mailbox.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// A sequence whose prompt is in the pool and whose first token is known.
struct DecodeJob {
  RequestId request = 0;
  KvSequence sequence;  // blocks for the prompt and the whole answer
  TokenId first_token = 0;
  std::int64_t tokens_max = 0;  // of the answer, the first token included
  bool ignore_end = false;
  SamplingOptions sampling;
  std::int64_t prefill_end_us = 0;  // on this host's clock; 0: on another's
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
  };
  struct Failed {
    Error error;
  };

  RequestId request = 0;
  std::variant<Loaded, Token, Failed> what;
  std::vector<KvBlockId> blocks;  // with a sequence's last event: to be released
};

// Owns the engine and a thread. The pool belongs to the communication thread, which acquires and
// releases blocks; this loop reads and writes only the blocks of its sequences.
class DecodeLoop {
 public:
  // `emit` is called on the loop's thread. `model`, `pool` and `end_tokens` must outlive the loop.
  DecodeLoop(const ModelFile& model, const DecodeConfig& config, KvPool& pool,
             std::span<const TokenId> end_tokens, std::function<void(DecodeEvent)> emit);
  ~DecodeLoop();

  void submit(DecodeJob job) { commands_.push(std::make_unique<DecodeJob>(std::move(job))); }
  void cancel(RequestId request) { commands_.push(request); }

 private:
  using Command = std::variant<std::unique_ptr<DecodeJob>, RequestId>;  // start, or cancel

  void run(const ModelFile& model);
  bool take_commands();  // false: the loop shall end
  void take(Command command);
  Status step();
  void end(std::size_t index, DecodeEvent event);

  struct Active {
    DecodeJob job;
    TokenId last_token = 0;
    std::int64_t produced = 1;  // tokens of the answer so far
  };

  DecodeConfig config_;
  KvPool& pool_;
  std::span<const TokenId> end_tokens_;
  std::function<void(DecodeEvent)> emit_;
  Mailbox<Command> commands_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<DecodeEngine> engine_;
  std::vector<Active> active_;  // the first sequences_max of them are in the batch
  std::vector<float> logits_;
  std::thread thread_;
};

// How an answer goes on after its token number `produced` (counted from 1).
FinishReason finish_after(TokenId token, std::int64_t produced, std::int64_t tokens_max,
                          bool ignore_end, std::span<const TokenId> end_tokens);

}  // namespace sluice::runtime
