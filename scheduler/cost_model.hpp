// SPDX-License-Identifier: Apache-2.0
// How long a request will take to its first token, from numbers alone.
//
// A handoff is a pipeline of prefill, encode, wire and decode over K pieces (frames): with stage
// times S_i for the whole, it ends after sum(S_i) / K + (K - 1) / K max(S_i). A level that streams
// has a frame per part of the prompt and group of layers; another one overlaps with the prompt's
// last part only.
#pragma once

#include <cstdint>

#include "scheduler/decision.hpp"
#include "scheduler/snapshot.hpp"

namespace sluice::scheduler {

struct CostOptions {
  std::int64_t part_tokens = 512;  // of a streaming level's frames
  std::int64_t groups = 3;         // of layers: frames of a part
};

// What one more transfer on a link can expect.
struct LinkOutlook {
  double bytes_per_s = 0.0;        // 0: not known, the wire is taken as free
  std::uint64_t queued_bytes = 0;  // ahead of it
  double round_trip_s = 0.0;
};

// The link of a pair, or where it has sent nothing yet the snapshot's assumed rate; with every
// uplink on the way, of which a transfer gets what is free or, when nothing is, an equal share.
LinkOutlook link_outlook(const Snapshot& snapshot, std::uint32_t prefill_node,
                         std::uint32_t decode_node);

// Of tokens that are computed after `cached` others. A worker that has not been measured works at
// the level table's mean; without one, at a millisecond per token, so that queues still count.
double prefill_seconds(const WorkerState& worker, const LevelTable* levels, std::int64_t tokens,
                       std::int64_t cached);

// What waits there, before a request that comes now. Prompts are taken to be of equal length.
double queue_seconds(const WorkerState& prefill, const LevelTable* levels);

// What a pair of workers and a request mean for all levels alike: a policy makes it once per pair.
struct HandoffOutlook {
  double queue_s = 0.0;
  // A level that streams computes and sends what is not cached; another one needs the scores of the
  // question's tokens, so it computes those anew, and sends the whole prompt.
  double prefill_s = 0.0;
  double whole_prefill_s = 0.0;
  double whole_last_s = 0.0;  // of the part that overlaps with what follows
  std::int64_t sent_tokens = 0;
  std::int64_t whole_tokens = 0;
  double pieces = 1.0;
  double whole_pieces = 1.0;
  double encode_slowness = 1.0;
  double decode_slowness = 1.0;
  double step_s = 0.0;
  double wire_s_per_byte = 0.0;
  double wire_ahead_s = 0.0;  // of what is queued, after the prefill queue has passed
  double round_trip_s = 0.0;
};

HandoffOutlook handoff_outlook(const WorkerState& prefill, const WorkerState& decode,
                               const LinkOutlook& link, const LevelTable* levels,
                               const RequestShape& request, const CostOptions& options = {});

// As the longer one below, of what the outlook was made for.
Prediction predict(const HandoffOutlook& outlook, const LevelTable* levels, const Level* level);

// `level` null: nothing is encoded, BF16 goes as it is (as far as `levels` tells its size).
Prediction predict(const WorkerState& prefill, const WorkerState& decode, const LinkOutlook& link,
                   const LevelTable* levels, const Level* level, const RequestShape& request,
                   const CostOptions& options = {});

// The decode worker computes the prompt itself.
Prediction predict_local(const WorkerState& decode, const LevelTable* levels,
                         const RequestShape& request);

}  // namespace sluice::scheduler
