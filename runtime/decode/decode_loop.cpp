// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_loop.hpp"

#include <algorithm>

#include "runtime/decode/finish_after.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {

DecodeLoop::DecodeLoop(const ModelFile& model, const DecodeConfig& config, KvPool& pool,
                       std::span<const TokenId> end_tokens, std::function<void(DecodeEvent)> emit)
    : config_(config),
      pool_(pool),
      end_tokens_(end_tokens),
      emit_(std::move(emit)),
      thread_([this, &model] { run(model); }) {}

DecodeLoop::~DecodeLoop() {
  stopping_ = true;
  commands_.close();
  thread_.join();
}

void DecodeLoop::run(const ModelFile& model) {
  const auto load = [&]() -> Status {
    const auto options = SLUICE_TRY(engine_options(config_.device, "auto", config_.threads));
    engine_ = SLUICE_TRY(DecodeEngine::create(model, options));
    return {};
  };
  if (const Status loaded = load(); !loaded) {
    emit_({0, DecodeEvent::Loaded{false, loaded.error().message}, {}});
    return;
  }
  logits_.resize(static_cast<std::size_t>(config_.sequences_max * engine_->spec().vocab));
  emit_({0, DecodeEvent::Loaded{true, {}}, {}});
  while (take_commands()) {
    const Status stepped = step();
    if (stepped) continue;
    // The engine cannot say which sequence is at fault: all that were in the batch fail.
    while (!active_.empty()) {
      end(0, {active_.front().job.request, DecodeEvent::Failed{stepped.error()}, {}});
    }
  }
}

bool DecodeLoop::take_commands() {
  if (active_.empty()) {
    auto command = commands_.pop();
    if (!command) return false;
    take(std::move(*command));
  }
  for (Command& command : commands_.drain()) take(std::move(command));
  return !stopping_;
}

void DecodeLoop::take(Command command) {
  if (auto* job = std::get_if<std::unique_ptr<DecodeJob>>(&command)) {
    const TokenId first = (*job)->first_token;
    active_.push_back({std::move(**job), first});
    return;
  }
  const RequestId request = std::get<RequestId>(command);
  for (std::size_t i = 0; i < active_.size(); ++i) {
    if (active_[i].job.request != request) continue;
    end(i, {request, DecodeEvent::Token{0, 0, FinishReason::kCancelled, 0}, {}});
    return;
  }
}

void DecodeLoop::end(std::size_t index, DecodeEvent event) {
  event.blocks = std::move(active_[index].job.sequence.blocks);
  active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(index));
  emit_(std::move(event));
}

Status DecodeLoop::step() {
  const std::size_t batch =
      std::min(active_.size(), static_cast<std::size_t>(config_.sequences_max));
  if (batch == 0) return {};
  const auto vocab = static_cast<std::size_t>(engine_->spec().vocab);
  const std::int64_t started_us = monotonic_us();
  std::vector<KvSequence*> sequences;
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < batch; ++i) {
    sequences.push_back(&active_[i].job.sequence);
    tokens.push_back(active_[i].last_token);
  }
  const std::span<float> logits(logits_.data(), batch * vocab);
  SLUICE_TRY(engine_->decode(pool_, sequences, tokens, logits));
  std::vector<std::size_t> ended;
  for (std::size_t i = 0; i < batch; ++i) {
    Active& active = active_[i];
    const TokenId token =
        sample(logits.subspan(i * vocab, vocab), active.job.sampling, active.produced);
    DecodeEvent::Token event{active.produced, token, FinishReason::kNone, 0};
    if (active.produced == 1 && active.job.prefill_end_us != 0) {
      event.handover_us = started_us - active.job.prefill_end_us;
    }
    active.last_token = token;
    ++active.produced;
    event.finish = finish_after(token, active.produced, active.job.tokens_max,
                                active.job.ignore_end, end_tokens_);
    DecodeEvent out{active.job.request, event, {}};
    if (event.finish == FinishReason::kNone) {
      emit_(std::move(out));
    } else {
      out.blocks = std::move(active.job.sequence.blocks);
      emit_(std::move(out));
      ended.push_back(i);
    }
  }
  for (auto i = ended.rbegin(); i != ended.rend(); ++i) {
    active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(*i));
  }
  return {};
}

}  // namespace sluice::runtime
