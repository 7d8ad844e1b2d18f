// SPDX-License-Identifier: Apache-2.0
// What a decision may look at: plain numbers, taken at one moment.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace sluice::scheduler {

struct WorkerState {
  std::uint32_t node = 0;
  bool alive = true;
  std::int64_t requests = 0;       // placed there and not ended
  std::int64_t queued_tokens = 0;  // prompt tokens still to prefill (prefill), to decode (decode)
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
};

// The one way between some nodes and all others, out of them or into them.
struct UplinkState {
  std::uint32_t uplink = 0;          // as the cluster's topology counts them
  std::vector<std::uint32_t> nodes;  // ascending
  bool is_outward = true;
  // The free rate is what nobody uses: 0 on a full way, of which a transfer still gets its share.
  LinkFigures figures;

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
};

struct RequestShape {
  std::int64_t prompt_tokens = 0;
  std::int64_t output_tokens_max = 0;
};

// Where a request goes. Which level it is sent at joins here with the codecs.
struct Decision {
  std::uint32_t prefill_node = 0;
  std::uint32_t decode_node = 0;
};

}  // namespace sluice::scheduler
