// SPDX-License-Identifier: Apache-2.0
// What a decision may look at: plain numbers, taken at one moment.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "scheduler/level_table.hpp"

namespace sluice::scheduler {

// How long a worker takes for n tokens: fixed_s + s_per_token n + s_per_token_squared n^2, where
// the square is attention. As measured where it works; all 0: not known, the level table's means
// stand in.
struct WorkerSpeed {
  double fixed_s = 0.0;
  double s_per_token = 0.0;
  double s_per_token_squared = 0.0;

  bool is_known() const { return fixed_s > 0 || s_per_token > 0 || s_per_token_squared > 0; }
};

struct WorkerState {
  std::uint32_t node = 0;
  // Gets new work: neither dead, nor suspect, nor draining, nor loading.
  bool alive = true;
  std::int64_t requests = 0;       // placed there and not ended
  std::int64_t queued_tokens = 0;  // prompt tokens still to prefill (prefill), to decode (decode)
  // Of its KV memory, in tokens, less what is placed there and not yet taken; -1: not known.
  std::int64_t free_tokens = -1;
  // Of this request's prompt, from its start on: already in this worker's KV memory.
  std::int64_t cached_tokens = 0;
  WorkerSpeed prefill_speed = {};  // of a decode worker: of its own engine, for a prompt kept local
  double step_s = 0.0;             // of one decode step with what runs there; 0: not known
  // Its time to encode or decode frames by the level table's: 1 as fast, 2 twice as long.
  double codec_slowness = 1.0;
};

// Of all that this carries, in one direction. A rate that is 0 is not known.
struct LinkFigures {
  double capacity_bytes_per_s = 0.0;
  double free_bytes_per_s = 0.0;     // what one more transfer can expect
  double goodput_bytes_per_s = 0.0;  // of the cluster's own transfers
  double other_bytes_per_s = 0.0;    // of everybody else's, where it is counted
  double utilization = 0.0;          // 0 to 1
  std::uint64_t queued_bytes = 0;
  std::int64_t age_us = -1;  // of the capacity; -1: it was never measured
};

// From a prefill worker to a decode worker; only of pairs that have sent something.
struct LinkState {
  std::uint32_t prefill_node = 0;
  std::uint32_t decode_node = 0;
  LinkFigures figures;
  std::int64_t round_trip_us = 0;  // 0: not known
  // What handoffs that were placed here and have not arrived will send in all, as predicted: also
  // what has no frame yet, so that figures.queued_bytes do not tell.
  std::uint64_t planned_bytes = 0;
};

// The one way between some nodes and all others, out of them or into them.
struct UplinkState {
  std::uint32_t uplink = 0;          // as the cluster's topology counts them
  std::vector<std::uint32_t> nodes;  // ascending
  bool is_outward = true;
  // The free rate is what nobody uses: 0 on a full way, of which a transfer still gets its share.
  LinkFigures figures;
  std::int64_t busy_links = 0;  // that it carries and that have something queued

  // Whether what `source` sends to `target` goes this way.
  bool carries(std::uint32_t source, std::uint32_t target) const {
    const bool has_source = std::binary_search(nodes.begin(), nodes.end(), source);
    const bool has_target = std::binary_search(nodes.begin(), nodes.end(), target);
    return is_outward ? has_source && !has_target : has_target && !has_source;
  }
};

struct Snapshot {
  std::vector<WorkerState> prefill;
  std::vector<WorkerState> decode;
  std::vector<LinkState> links = {};      // by prefill node, then decode node
  std::vector<UplinkState> uplinks = {};  // each out, then in
  const LevelTable* levels = nullptr;     // borrowed; null: none was measured
  // Where nothing is known of a link: what its first transfer is expected to get.
  double assumed_bytes_per_s = 0.0;
};

}  // namespace sluice::scheduler
