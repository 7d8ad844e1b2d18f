// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_loop.hpp"

#include <algorithm>

#include "runtime/decode/finish_after.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

// One pass over the weights in the CPU's engine: a part takes little longer than a decode step of
// as many sequences, and no running answer waits for more than that.
constexpr std::size_t kPromptTokensPerStep = 16;

}  // namespace

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
  const auto batch = [this] {
    return std::min(active_.size(), static_cast<std::size_t>(config_.sequences_max));
  };
  const std::int64_t started_us = monotonic_us();
  prefill_some(batch());
  return decode(batch(), started_us);
}

void DecodeLoop::prefill_some(std::size_t batch) {
  const auto last = active_.begin() + static_cast<std::ptrdiff_t>(batch);
  const auto found = std::find_if(active_.begin(), last,
                                  [](const Active& active) { return active.has_prompt_left(); });
  if (found == last) return;
  const auto index = static_cast<std::size_t>(found - active_.begin());
  DecodeJob& job = found->job;
  if (found->begun_us == 0) found->begun_us = monotonic_us();
  const auto rest =
      std::span<const TokenId>(job.prompt).subspan(static_cast<std::size_t>(job.sequence.tokens));
  const auto part = rest.first(std::min(rest.size(), kPromptTokensPerStep));
  const auto vocab = static_cast<std::size_t>(engine_->spec().vocab);
  prompt_logits_.resize(std::max(prompt_logits_.size(), part.size() * vocab));
  const std::span<float> logits(prompt_logits_.data(), part.size() * vocab);
  if (const Status appended = engine_->append(pool_, job.sequence, part, logits); !appended) {
    return end(index, {job.request, DecodeEvent::Failed{appended.error()}, {}});
  }
  if (part.size() < rest.size()) return;
  begin_answer(index, sample(logits.last(vocab), job.sampling, 0));
}

void DecodeLoop::begin_answer(std::size_t index, TokenId first_token) {
  Active& active = active_[index];
  active.job.prefill_end_us = monotonic_us();
  active.last_token = first_token;
  DecodeEvent::Token event{0, first_token, FinishReason::kNone};
  event.queue_us = active.begun_us - active.job.arrived_us;
  event.prefill_us = active.job.prefill_end_us - active.begun_us;
  event.finish =
      finish_after(first_token, 1, active.job.tokens_max, active.job.ignore_end, end_tokens_);
  DecodeEvent out{active.job.request, event, {}};
  active.job.prompt = {};
  event.finish == FinishReason::kNone ? emit_(std::move(out)) : end(index, std::move(out));
}

Status DecodeLoop::decode(std::size_t batch, std::int64_t started_us) {
  const auto vocab = static_cast<std::size_t>(engine_->spec().vocab);
  const std::int64_t decode_us = monotonic_us();
  std::vector<std::size_t> places;
  std::vector<KvSequence*> sequences;
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < batch; ++i) {
    if (active_[i].has_prompt_left()) continue;
    places.push_back(i);
    sequences.push_back(&active_[i].job.sequence);
    tokens.push_back(active_[i].last_token);
  }
  if (places.empty()) return {};
  const std::span<float> logits(logits_.data(), places.size() * vocab);
  SLUICE_TRY(engine_->decode(pool_, sequences, tokens, logits));
  std::vector<std::size_t> ended;
  for (std::size_t i = 0; i < places.size(); ++i) {
    Active& active = active_[places[i]];
    const TokenId token =
        sample(logits.subspan(i * vocab, vocab), active.job.sampling, active.produced);
    DecodeEvent::Token event{active.produced, token, FinishReason::kNone};
    if (active.produced == 1 && active.job.prefill_end_us != 0) {
      event.handover_us = decode_us - active.job.prefill_end_us;
    }
    if (i == 0) event.step_us = monotonic_us() - started_us;
    if (take_token(active, token, event)) ended.push_back(places[i]);
  }
  for (auto i = ended.rbegin(); i != ended.rend(); ++i) {
    active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(*i));
  }
  return {};
}

bool DecodeLoop::take_token(Active& active, TokenId token, DecodeEvent::Token event) {
  active.last_token = token;
  ++active.produced;
  event.finish = finish_after(token, active.produced, active.job.tokens_max, active.job.ignore_end,
                              end_tokens_);
  DecodeEvent out{active.job.request, event, {}};
  const bool is_last = event.finish != FinishReason::kNone;
  if (is_last) out.blocks = std::move(active.job.sequence.blocks);
  emit_(std::move(out));
  return is_last;
}

}  // namespace sluice::runtime
