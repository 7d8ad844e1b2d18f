// SPDX-License-Identifier: Apache-2.0
// The compute thread of a decode worker: continuous batching over the sequences handed to it.
//
// A prompt that is to be computed here goes in small parts, one before each decode step, so that
// the answers that are being made go on.
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
#include "runtime/decode/decode_compute.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/transfer/mailbox.hpp"

namespace sluice::runtime {

// Owns the engine and a thread. The pool belongs to the communication thread, which acquires and
// releases blocks; this loop reads and writes only the blocks of its sequences.
class DecodeLoop final : public DecodeCompute {
 public:
  // `emit` is called on the loop's thread. `model`, `pool` and `end_tokens` must outlive the loop.
  DecodeLoop(const ModelFile& model, const DecodeConfig& config, KvPool& pool,
             std::span<const TokenId> end_tokens, std::function<void(DecodeEvent)> emit);
  ~DecodeLoop() override;

  void submit(DecodeJob job) override {
    commands_.push(std::make_unique<DecodeJob>(std::move(job)));
  }
  void cancel(RequestId request) override { commands_.push(request); }

 private:
  using Command = std::variant<std::unique_ptr<DecodeJob>, RequestId>;  // start, or cancel

  struct Active {
    DecodeJob job;
    TokenId last_token = 0;
    std::int64_t produced = 1;  // tokens of the answer so far
    std::int64_t begun_us = 0;  // its prompt, if it is computed here

    bool has_prompt_left() const {
      return job.sequence.tokens < static_cast<std::int64_t>(job.prompt.size());
    }
  };

  void run(const ModelFile& model);
  bool take_commands();  // false: the loop shall end
  void take(Command command);
  Status step();
  // A part of the oldest prompt that is not all there, if it is among the first `batch` sequences.
  void prefill_some(std::size_t batch);
  void begin_answer(std::size_t index, TokenId first_token);
  Status decode(std::size_t batch, std::int64_t started_us);
  // One more token of its answer; whether that was the last.
  bool take_token(Active& active, TokenId token, DecodeEvent::Token event);
  void end(std::size_t index, DecodeEvent event);

  DecodeConfig config_;
  KvPool& pool_;
  std::span<const TokenId> end_tokens_;
  std::function<void(DecodeEvent)> emit_;
  Mailbox<Command> commands_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<DecodeEngine> engine_;
  std::vector<Active> active_;  // the first sequences_max of them are in the batch
  std::vector<float> logits_;
  std::vector<float> prompt_logits_;  // empty until a prompt is computed here
  std::thread thread_;
};

}  // namespace sluice::runtime
