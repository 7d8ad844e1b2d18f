// SPDX-License-Identifier: Apache-2.0
#include "scheduler/cost_model.hpp"

namespace sluice::scheduler {
namespace {

double parts_of(std::int64_t tokens, std::int64_t part_tokens) {
  const std::int64_t part = std::max<std::int64_t>(part_tokens, 1);
  return static_cast<double>(std::max<std::int64_t>((tokens + part - 1) / part, 1));
}

std::int64_t prompt_of(const RequestShape& request) {
  return std::max<std::int64_t>(request.prompt_tokens, 1);
}

// The prompt's last token is always computed.
std::int64_t cached_of(const WorkerState& worker, std::int64_t prompt) {
  return std::clamp<std::int64_t>(worker.cached_tokens, 0, prompt - 1);
}

}  // namespace

PrefillOutlook prefill_outlook(const WorkerState& prefill, const LevelTable* levels,
                               const RequestShape& request, const CostOptions& options) {
  const std::int64_t prompt = prompt_of(request);
  const std::int64_t cached = cached_of(prefill, prompt);
  const std::int64_t question = std::clamp<std::int64_t>(request.question_tokens, 1, prompt);
  const std::int64_t reused = std::min(cached, prompt - question);
  PrefillOutlook outlook;
  outlook.queue_s = queue_seconds(prefill, levels);
  outlook.prefill_s = prefill_seconds(prefill, levels, prompt - cached, cached);
  outlook.whole_prefill_s = reused == cached
                                ? outlook.prefill_s
                                : prefill_seconds(prefill, levels, prompt - reused, reused);
  outlook.whole_last_s = outlook.whole_prefill_s / parts_of(prompt - reused, options.part_tokens);
  outlook.encode_slowness = prefill.codec_slowness;
  return outlook;
}

DecodeOutlook decode_outlook(const WorkerState& decode, const LevelTable* levels,
                             const RequestShape& request, const CostOptions& options) {
  const std::int64_t prompt = prompt_of(request);
  const std::int64_t sent = prompt - cached_of(decode, prompt);
  DecodeOutlook outlook;
  outlook.sent_tokens = static_cast<double>(sent);
  outlook.whole_tokens = static_cast<double>(prompt);
  outlook.whole_pieces = static_cast<double>(std::max<std::int64_t>(options.groups, 1));
  outlook.pieces = outlook.whole_pieces * parts_of(sent, options.part_tokens);
  outlook.decode_slowness = decode.codec_slowness;
  outlook.step_s = step_seconds(decode, levels);
  return outlook;
}

WireOutlook wire_outlook(const LinkOutlook& link, double queue_s) {
  WireOutlook outlook;
  outlook.round_trip_s = link.round_trip_s;
  if (link.bytes_per_s <= 0.0) return outlook;
  outlook.s_per_byte = 1.0 / link.bytes_per_s;
  const double queued_s = static_cast<double>(link.queued_bytes) * outlook.s_per_byte;
  outlook.ahead_s = std::max(queued_s - queue_s, 0.0);
  return outlook;
}

Prediction predict(const PrefillOutlook& prefill, const DecodeOutlook& decode,
                   const WireOutlook& wire, const LevelTable* levels, const Level* level) {
  const bool is_streaming = level == nullptr || level->is_streaming;
  const double tokens = is_streaming ? decode.sent_tokens : decode.whole_tokens;
  Prediction made;
  made.queue_s = prefill.queue_s;
  made.prefill_s = is_streaming ? prefill.prefill_s : prefill.whole_prefill_s;
  double decoding_s = 0.0;
  if (level != nullptr) {
    made.kl = level->kl;
    made.bytes = level->bytes_fixed + level->bytes_per_token * tokens;
    made.encode_s = level->encode_s_per_token * tokens * prefill.encode_slowness;
    decoding_s = level->decode_s_per_token * tokens * decode.decode_slowness;
  } else if (levels != nullptr) {
    made.bytes = levels->raw_bytes_per_token * tokens;
  }
  made.wire_s = wire.ahead_s + made.bytes * wire.s_per_byte;
  made.decode_s = decoding_s + decode.step_s;
  const double piped_s = is_streaming ? made.prefill_s : prefill.whole_last_s;
  const double pieces = is_streaming ? decode.pieces : decode.whole_pieces;
  const double sum_s = piped_s + made.encode_s + made.wire_s + decoding_s;
  const double longest_s = std::max({piped_s, made.encode_s, made.wire_s, decoding_s});
  made.ttft_s = made.queue_s + (made.prefill_s - piped_s) + longest_s +
                (sum_s - longest_s) / pieces + wire.round_trip_s + decode.step_s;
  return made;
}

Prediction predict(const WorkerState& prefill, const WorkerState& decode, const LinkOutlook& link,
                   const LevelTable* levels, const Level* level, const RequestShape& request,
                   const CostOptions& options) {
  const PrefillOutlook source = prefill_outlook(prefill, levels, request, options);
  return predict(source, decode_outlook(decode, levels, request, options),
                 wire_outlook(link, source.queue_s), levels, level);
}

Prediction predict_local(const WorkerState& decode, const LevelTable* levels,
                         const RequestShape& request) {
  const std::int64_t prompt = prompt_of(request);
  const std::int64_t cached = cached_of(decode, prompt);
  Prediction made;
  made.prefill_s = prefill_seconds(decode, levels, prompt - cached, cached);
  made.decode_s = step_seconds(decode, levels);
  made.ttft_s = made.prefill_s + made.decode_s;
  return made;
}

}  // namespace sluice::scheduler
