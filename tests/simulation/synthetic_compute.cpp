// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/synthetic_compute.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/decode/finish_after.hpp"
#include "tests/simulation/synthetic_model.hpp"

namespace sluice::tests {

using runtime::DecodeEvent;
using runtime::DecodeJob;
using runtime::FinishReason;
using runtime::PrefillEvent;
using runtime::PrefillJob;
using runtime::RequestId;
using runtime::TokenId;

// --- prefill ------------------------------------------------------------------------------------

SyntheticPrefill::SyntheticPrefill(std::shared_ptr<Ledger> ledger,
                                   std::function<void(PrefillEvent)> emit)
    : ledger_(std::move(ledger)),
      emit_(std::move(emit)),
      ready_us_(ledger_->world->now_us() + ledger_->options.load_us) {
  ledger_->wake_at(ready_us_);
}

void SyntheticPrefill::run() {
  if (ledger_->world->now_us() < ready_us_) return;
  if (!std::exchange(is_loaded_, true)) emit_({0, PrefillEvent::Loaded{1.0, true, {}}});
  while (current_ != nullptr || !jobs_.empty()) {
    if (current_ == nullptr) {
      PrefillJob job = std::move(jobs_.front());
      jobs_.pop_front();
      begin(std::move(job));
    }
    if (!step()) return;
  }
}

void SyntheticPrefill::begin(PrefillJob job) {
  const std::string& pipeline = job.pipeline->name();
  ledger_->attempts[job.submit.request] = {job.submit.prompt, pipeline};
  current_ = std::make_unique<Current>();
  current_->memory.resize(job.plan.bytes);
  if (job.steering == nullptr) {
    current_->frames = encode_frames(job.submit.prompt, job.pipeline, job.plan, current_->memory);
  } else {
    const auto tokens = static_cast<std::int64_t>(job.submit.prompt.size());
    const std::int64_t blocks = runtime::kv_blocks_for(tokens);
    current_->pool = runtime::KvPool::create(kSyntheticShape, blocks).value();
    current_->blocks = current_->pool->acquire(blocks).value();
    fill_pages(job.submit.prompt, *current_->pool, current_->blocks);
  }
  current_->fails = ledger_->random.chance(ledger_->options.prefill_fail_chance);
  current_->job = std::move(job);
  current_->due_us = ledger_->world->now_us() + ledger_->options.frame_us;
  ledger_->wake_at(current_->due_us);
}

// What is due of the current job; false: nothing more now.
bool SyntheticPrefill::step() {
  const RequestId request = current_->job.submit.request;
  const std::int64_t now_us = ledger_->world->now_us();
  if (current_->due_us > now_us) return false;
  const bool is_last = current_->next + 1 >= current_->job.plan.frames.size();
  if (cancelled_.erase(request) != 0) {
    emit_({request, PrefillEvent::Failed{make_error(ErrorCode::kCancelled, "cancelled")}});
    current_.reset();
    return true;
  }
  if (current_->fails && is_last) {
    ++ledger_->computed_failures;
    emit_({request, PrefillEvent::Failed{make_error(ErrorCode::kInternal, "drawn: prefill")}});
    current_.reset();
    return true;
  }
  emit_frame();
  if (is_last) {
    finish();
    current_.reset();
    return true;
  }
  current_->due_us = std::max(current_->due_us + ledger_->options.frame_us, now_us + 1);
  ledger_->wake_at(current_->due_us);
  return false;
}

runtime::MadeFrame SyntheticPrefill::steered_frame() {
  const runtime::PrefillJob& job = current_->job;
  const double computed =
      static_cast<double>(current_->next + 1) / static_cast<double>(job.plan.frames.size());
  const runtime::PlannedFrame& place = job.plan.frames[current_->next];
  auto pipeline = job.steering->choose(place, computed, ledger_->world->now_us());
  std::string& coarsest = ledger_->attempts[job.submit.request].pipeline;
  if (tolerance_of(pipeline->name()) > tolerance_of(coarsest)) coarsest = pipeline->name();
  const runtime::MadeFrame frame =
      encode_frame(*current_->pool, current_->blocks, std::move(pipeline), place, current_->memory);
  job.steering->made(frame);
  return frame;
}

void SyntheticPrefill::emit_frame() {
  const runtime::MadeFrame frame =
      current_->pool == nullptr ? current_->frames[current_->next] : steered_frame();
  ++current_->next;
  const runtime::PlannedFrame& place = frame.place;
  std::memcpy(current_->job.staging.data() + place.offset, current_->memory.data() + place.offset,
              frame.bytes);
  runtime::Piece piece;
  piece.range = {static_cast<std::int32_t>(place.layer_first),
                 static_cast<std::int32_t>(place.layer_count), 0,
                 static_cast<std::int32_t>(kSyntheticShape.kv_heads)};
  piece.first_token = place.first_token;
  piece.last_token = place.last_token;
  piece.offset_bytes = place.offset;
  piece.bytes = frame.bytes;
  piece.checksum = frame.checksum;
  emit_({current_->job.submit.request,
         PrefillEvent::PieceReady{piece, place.bytes_max, 0, frame.pipeline}});
}

void SyntheticPrefill::finish() {
  const runtime::SubmitMessage& submit = current_->job.submit;
  runtime::ManifestMessage manifest;
  manifest.request = submit.request;
  manifest.prompt_tokens = static_cast<std::int64_t>(submit.prompt.size());
  manifest.tokens_max = submit.tokens_max;
  manifest.ignore_end = submit.ignore_end;
  manifest.sampling = submit.sampling;
  manifest.first_token = synthetic_token(submit.prompt, 0);
  manifest.prefill_end_us = ledger_->world->now_us();
  emit_({submit.request, PrefillEvent::Finished{std::move(manifest)}});
}

// --- decode -------------------------------------------------------------------------------------

SyntheticDecode::SyntheticDecode(std::shared_ptr<Ledger> ledger, runtime::KvPool& pool,
                                 std::function<void(DecodeEvent)> emit)
    : ledger_(std::move(ledger)),
      pool_(pool),
      emit_(std::move(emit)),
      ready_us_(ledger_->world->now_us() + ledger_->options.load_us) {
  ledger_->wake_at(ready_us_);
}

void SyntheticDecode::submit(DecodeJob job) {
  auto active = std::make_unique<Active>();
  active->job = std::move(job);
  active->due_us = ledger_->world->now_us() + ledger_->options.token_us;
  if (ledger_->random.chance(ledger_->options.decode_fail_chance)) active->fails_at = 2;
  ledger_->wake_at(active->due_us);
  if (active->job.prompt.empty()) {
    check(*active, "when its answer began");
  } else {
    // What was there of it came in frames, perhaps of the coarsest pipeline.
    const char* kind = active->job.sequence.tokens > 0 ? "int4" : "raw";
    ledger_->attempts[active->job.request] = {active->job.prompt, kind};
    active->produced = 0;
  }
  active_.push_back(std::move(active));
}

void SyntheticDecode::run() {
  if (ledger_->world->now_us() < ready_us_) return;
  if (!std::exchange(is_loaded_, true)) emit_({0, DecodeEvent::Loaded{true, {}}, {}});
  std::erase_if(active_, [this](const auto& active) { return step(*active); });
  cancelled_.clear();  // of sequences that had ended
}

bool SyntheticDecode::step(Active& active) {
  const RequestId request = active.job.request;
  if (cancelled_.erase(request) != 0) {
    end(active, {request, DecodeEvent::Token{0, 0, FinishReason::kCancelled, 0}, {}});
    return true;
  }
  const std::int64_t now_us = ledger_->world->now_us();
  if (active.due_us > now_us) return false;
  if (active.produced == active.fails_at) {
    ++ledger_->computed_failures;
    const Error error = make_error(ErrorCode::kInternal, "drawn: decode");
    end(active, {request, DecodeEvent::Failed{error}, {}});
    return true;
  }
  if (active.produced == 0) prefill(active);
  const auto& prompt = ledger_->attempts[request].prompt;
  const TokenId token = synthetic_token(prompt, active.produced);
  const TokenId ends[] = {kSyntheticEnd};
  DecodeEvent::Token event{active.produced, token, FinishReason::kNone, 0};
  ++active.produced;
  event.finish = runtime::finish_after(token, active.produced, active.job.tokens_max,
                                       active.job.ignore_end, ends);
  if (event.finish != FinishReason::kNone) {
    check(active, "when its answer ended");
    end(active, {request, event, {}});
    return true;
  }
  emit_({request, event, {}});
  active.due_us = now_us + ledger_->options.token_us;
  ledger_->wake_at(active.due_us);
  return false;
}

void SyntheticDecode::prefill(Active& active) {
  DecodeJob& job = active.job;
  fill_pages(job.prompt, pool_, job.sequence.blocks, job.sequence.tokens);
  job.sequence.tokens = static_cast<std::int64_t>(job.prompt.size());
  job.first_token = synthetic_token(job.prompt, 0);
  check(active, "when it was computed where it is decoded");
}

void SyntheticDecode::end(Active& active, DecodeEvent event) {
  event.blocks = std::move(active.job.sequence.blocks);
  emit_(std::move(event));
}

void SyntheticDecode::check(const Active& active, const char* when) {
  const DecodeJob& job = active.job;
  const std::string name = "attempt " + std::to_string(job.request);
  const auto found = ledger_->attempts.find(job.request);
  if (found == ledger_->attempts.end()) {
    return ledger_->find(name + " is decoded, and nobody has prefilled it");
  }
  const auto& [prompt, pipeline] = found->second;
  const auto tokens = static_cast<std::int64_t>(prompt.size());
  if (job.sequence.tokens != tokens || job.first_token != synthetic_token(prompt, 0)) {
    return ledger_->find(name + " is decoded with another prompt");
  }
  const auto blocks = static_cast<std::int64_t>(job.sequence.blocks.size());
  if (blocks < runtime::kv_blocks_for(tokens + job.tokens_max)) {
    return ledger_->find(name + " has too few blocks for its answer");
  }
  const std::int64_t wrong =
      count_wrong(prompt, pool_, job.sequence.blocks, tolerance_of(pipeline));
  if (wrong != 0) {
    ledger_->find(name + " (" + pipeline + ") has " + std::to_string(wrong) + " wrong elements " +
                  when);
  }
}

}  // namespace sluice::tests
