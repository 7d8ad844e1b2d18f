// SPDX-License-Identifier: Apache-2.0
#include "scheduler/cost_model.hpp"

#include <algorithm>
#include <tuple>

namespace sluice::scheduler {
namespace {

// Of a worker of which nothing is known and for which nothing was profiled.
constexpr double kUnknownSPerToken = 1e-3;

std::int64_t parts_of(std::int64_t tokens, std::int64_t part_tokens) {
  return std::max<std::int64_t>((tokens + part_tokens - 1) / part_tokens, 1);
}

double step_seconds(const WorkerState& decode, const LevelTable* levels) {
  if (decode.step_s > 0.0) return decode.step_s;
  return levels != nullptr ? levels->decode_s_per_output_token : 0.0;
}

// What one more transfer on the way gets: what nobody uses, and at least an equal share with the
// links that have something to send on it.
double rate_of(const UplinkState& uplink, const std::vector<LinkState>& links) {
  const LinkFigures& figures = uplink.figures;
  double busy = 0.0;
  // With one other at least it shares by halves, so where half is free the links need no look.
  if (figures.free_bytes_per_s >= 0.5 * figures.capacity_bytes_per_s) {
    return figures.free_bytes_per_s;
  }
  for (const LinkState& link : links) {
    if (link.figures.queued_bytes != 0 && uplink.carries(link.prefill_node, link.decode_node)) {
      busy += 1.0;
    }
  }
  const double share = figures.capacity_bytes_per_s / (1.0 + std::max(busy, 1.0));
  return std::max(figures.free_bytes_per_s, share);
}

}  // namespace

LinkOutlook link_outlook(const Snapshot& snapshot, std::uint32_t prefill_node,
                         std::uint32_t decode_node) {
  LinkOutlook outlook;
  const auto nodes = [](const LinkState& link) {
    return std::tuple(link.prefill_node, link.decode_node);
  };
  const std::tuple wanted(prefill_node, decode_node);
  const auto link =
      std::lower_bound(snapshot.links.begin(), snapshot.links.end(), wanted,
                       [&](const LinkState& one, const auto& other) { return nodes(one) < other; });
  if (link != snapshot.links.end() && nodes(*link) == wanted) {
    outlook.bytes_per_s = link->figures.free_bytes_per_s;
    outlook.queued_bytes = link->figures.queued_bytes;
    outlook.round_trip_s = 1e-6 * static_cast<double>(link->round_trip_us);
  }
  if (outlook.bytes_per_s <= 0.0) outlook.bytes_per_s = snapshot.assumed_bytes_per_s;
  for (const UplinkState& uplink : snapshot.uplinks) {
    if (uplink.figures.capacity_bytes_per_s <= 0.0) continue;
    if (!uplink.carries(prefill_node, decode_node)) continue;
    const double rate = rate_of(uplink, snapshot.links);
    if (outlook.bytes_per_s <= 0.0 || rate < outlook.bytes_per_s) outlook.bytes_per_s = rate;
  }
  return outlook;
}

double prefill_seconds(const WorkerState& worker, const LevelTable* levels, std::int64_t tokens,
                       std::int64_t cached) {
  if (tokens <= 0) return 0.0;
  const double n = static_cast<double>(tokens);
  const WorkerSpeed& speed = worker.prefill_speed;
  if (!speed.is_known()) {
    const bool is_profiled = levels != nullptr && levels->prefill_s_per_token > 0.0;
    return n * (is_profiled ? levels->prefill_s_per_token : kUnknownSPerToken);
  }
  // Each of n tokens attends to the c cached ones too: (c + n)^2 - c^2.
  const double square = n * (n + 2.0 * static_cast<double>(std::max<std::int64_t>(cached, 0)));
  return speed.fixed_s + speed.s_per_token * n + speed.s_per_token_squared * square;
}

double queue_seconds(const WorkerState& prefill, const LevelTable* levels) {
  if (prefill.queued_tokens <= 0) return 0.0;
  const std::int64_t prompts = std::clamp<std::int64_t>(prefill.requests, 1, prefill.queued_tokens);
  return static_cast<double>(prompts) *
         prefill_seconds(prefill, levels, prefill.queued_tokens / prompts, 0);
}

HandoffOutlook handoff_outlook(const WorkerState& prefill, const WorkerState& decode,
                               const LinkOutlook& link, const LevelTable* levels,
                               const RequestShape& request, const CostOptions& options) {
  const std::int64_t prompt = std::max<std::int64_t>(request.prompt_tokens, 1);
  const std::int64_t part = std::max<std::int64_t>(options.part_tokens, 1);
  const double groups = static_cast<double>(std::max<std::int64_t>(options.groups, 1));
  HandoffOutlook outlook;
  outlook.queue_s = queue_seconds(prefill, levels);
  const std::int64_t cached = std::clamp<std::int64_t>(prefill.cached_tokens, 0, prompt - 1);
  outlook.prefill_s = prefill_seconds(prefill, levels, prompt - cached, cached);
  const std::int64_t question = std::clamp<std::int64_t>(request.question_tokens, 1, prompt);
  const std::int64_t reused = std::min(cached, prompt - question);
  outlook.whole_prefill_s = reused == cached
                                ? outlook.prefill_s
                                : prefill_seconds(prefill, levels, prompt - reused, reused);
  outlook.whole_last_s =
      outlook.whole_prefill_s / static_cast<double>(parts_of(prompt - reused, part));
  outlook.sent_tokens = prompt - std::clamp<std::int64_t>(decode.cached_tokens, 0, prompt - 1);
  outlook.whole_tokens = prompt;
  outlook.pieces = groups * static_cast<double>(parts_of(outlook.sent_tokens, part));
  outlook.whole_pieces = groups;
  outlook.encode_slowness = prefill.codec_slowness;
  outlook.decode_slowness = decode.codec_slowness;
  outlook.step_s = step_seconds(decode, levels);
  outlook.round_trip_s = link.round_trip_s;
  if (link.bytes_per_s > 0.0) {
    outlook.wire_s_per_byte = 1.0 / link.bytes_per_s;
    outlook.wire_ahead_s = std::max(
        static_cast<double>(link.queued_bytes) * outlook.wire_s_per_byte - outlook.queue_s, 0.0);
  }
  return outlook;
}

Prediction predict(const HandoffOutlook& outlook, const LevelTable* levels, const Level* level) {
  const bool is_streaming = level == nullptr || level->is_streaming;
  const std::int64_t tokens = is_streaming ? outlook.sent_tokens : outlook.whole_tokens;
  Prediction made;
  made.queue_s = outlook.queue_s;
  made.prefill_s = is_streaming ? outlook.prefill_s : outlook.whole_prefill_s;
  double decoding_s = 0.0;
  if (level != nullptr) {
    const double count = static_cast<double>(tokens);
    made.kl = level->kl;
    made.bytes = level->bytes(tokens);
    made.encode_s = level->encode_s_per_token * count * outlook.encode_slowness;
    decoding_s = level->decode_s_per_token * count * outlook.decode_slowness;
  } else if (levels != nullptr) {
    made.bytes = levels->raw_bytes_per_token * static_cast<double>(tokens);
  }
  made.wire_s = outlook.wire_ahead_s + made.bytes * outlook.wire_s_per_byte;
  made.decode_s = decoding_s + outlook.step_s;
  const double piped_s = is_streaming ? made.prefill_s : outlook.whole_last_s;
  const double pieces = is_streaming ? outlook.pieces : outlook.whole_pieces;
  const double sum_s = piped_s + made.encode_s + made.wire_s + decoding_s;
  const double longest_s = std::max({piped_s, made.encode_s, made.wire_s, decoding_s});
  made.ttft_s = made.queue_s + (made.prefill_s - piped_s) + longest_s +
                (sum_s - longest_s) / pieces + outlook.round_trip_s + outlook.step_s;
  return made;
}

Prediction predict(const WorkerState& prefill, const WorkerState& decode, const LinkOutlook& link,
                   const LevelTable* levels, const Level* level, const RequestShape& request,
                   const CostOptions& options) {
  return predict(handoff_outlook(prefill, decode, link, levels, request, options), levels, level);
}

Prediction predict_local(const WorkerState& decode, const LevelTable* levels,
                         const RequestShape& request) {
  const std::int64_t prompt = std::max<std::int64_t>(request.prompt_tokens, 1);
  const std::int64_t cached = std::clamp<std::int64_t>(decode.cached_tokens, 0, prompt - 1);
  Prediction made;
  made.prefill_s = prefill_seconds(decode, levels, prompt - cached, cached);
  made.decode_s = step_seconds(decode, levels);
  made.ttft_s = made.prefill_s + made.decode_s;
  return made;
}

}  // namespace sluice::scheduler
