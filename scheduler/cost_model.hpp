// SPDX-License-Identifier: Apache-2.0
// How long a request will take to its first token, from numbers alone.
//
// A handoff is a pipeline of prefill, encode, wire and decode over K pieces (frames): with stage
// times S_i for the whole, it ends after sum(S_i) / K + (K - 1) / K max(S_i). A level that streams
// has a frame per part of the prompt and group of layers; another one overlaps with the prompt's
// last part only.
#pragma once

#include <algorithm>
#include <cstdint>

#include "scheduler/decision.hpp"
#include "scheduler/link_outlook.hpp"
#include "scheduler/snapshot.hpp"

namespace sluice::scheduler {

struct CostOptions {
  std::int64_t part_tokens = 512;  // of a streaming level's frames
  std::int64_t groups = 3;         // of layers: frames of a part
};

// Of a worker that has not been measured where no profile tells either: so that queues still count.
inline constexpr double kUnknownPrefillSPerToken = 1e-3;

// Of tokens that are computed after `cached` others. A worker that has not been measured works at
// the level table's mean.
inline double prefill_seconds(const WorkerState& worker, const LevelTable* levels,
                              std::int64_t tokens, std::int64_t cached) {
  if (tokens <= 0) return 0.0;
  const double n = static_cast<double>(tokens);
  const WorkerSpeed& speed = worker.prefill_speed;
  if (!speed.is_known()) {
    const bool is_profiled = levels != nullptr && levels->prefill_s_per_token > 0.0;
    return n * (is_profiled ? levels->prefill_s_per_token : kUnknownPrefillSPerToken);
  }
  // Each of n tokens attends to the c cached ones too: (c + n)^2 - c^2.
  const double square = n * (n + 2.0 * static_cast<double>(std::max<std::int64_t>(cached, 0)));
  return speed.fixed_s + speed.s_per_token * n + speed.s_per_token_squared * square;
}

// What waits there, before a request that comes now. Prompts are taken to be of equal length.
inline double queue_seconds(const WorkerState& prefill, const LevelTable* levels) {
  const std::int64_t queued = prefill.queued_tokens;
  if (queued <= 0) return 0.0;
  const std::int64_t prompts = std::clamp<std::int64_t>(prefill.requests, 1, queued);
  const WorkerSpeed& speed = prefill.prefill_speed;
  if (!speed.is_known()) return prefill_seconds(prefill, levels, queued, 0);
  const double n = static_cast<double>(queued);
  const double count = static_cast<double>(prompts);
  return speed.fixed_s * count + speed.s_per_token * n + speed.s_per_token_squared * n * n / count;
}

// Of one decode step there, by the profile where it has not been measured; 0: neither tells.
inline double step_seconds(const WorkerState& decode, const LevelTable* levels) {
  if (decode.step_s > 0.0) return decode.step_s;
  return levels != nullptr ? levels->decode_s_per_output_token : 0.0;
}

// What a request means for a prefill worker, whatever its level and its decode worker. A level that
// streams computes what is not cached; another one needs the scores of the question's tokens, so it
// computes those anew ("whole").
struct PrefillOutlook {
  double queue_s = 0.0;
  double prefill_s = 0.0;
  double whole_prefill_s = 0.0;
  double whole_last_s = 0.0;  // of the part that overlaps with what follows
  double encode_slowness = 1.0;
};

PrefillOutlook prefill_outlook(const WorkerState& prefill, const LevelTable* levels,
                               const RequestShape& request, const CostOptions& options = {});

// For a decode worker. A level that streams sends what is not cached, another one all.
struct DecodeOutlook {
  double sent_tokens = 0.0;
  double whole_tokens = 0.0;
  double pieces = 1.0;
  double whole_pieces = 1.0;
  double decode_slowness = 1.0;
  double step_s = 0.0;
};

DecodeOutlook decode_outlook(const WorkerState& decode, const LevelTable* levels,
                             const RequestShape& request, const CostOptions& options = {});

// For the way between them.
struct WireOutlook {
  double s_per_byte = 0.0;
  double ahead_s = 0.0;  // of what is queued, after the prefill queue has passed
  double round_trip_s = 0.0;
};

WireOutlook wire_outlook(const LinkOutlook& link, double queue_s);

// As the one below, of parts that a policy makes once for many pairs and levels.
Prediction predict(const PrefillOutlook& prefill, const DecodeOutlook& decode,
                   const WireOutlook& wire, const LevelTable* levels, const Level* level);

// `level` null: nothing is encoded, BF16 goes as it is (as far as `levels` tells its size).
Prediction predict(const WorkerState& prefill, const WorkerState& decode, const LinkOutlook& link,
                   const LevelTable* levels, const Level* level, const RequestShape& request,
                   const CostOptions& options = {});

// The decode worker computes the prompt itself.
Prediction predict_local(const WorkerState& decode, const LevelTable* levels,
                         const RequestShape& request);

}  // namespace sluice::scheduler
