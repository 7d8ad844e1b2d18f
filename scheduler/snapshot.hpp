// SPDX-License-Identifier: Apache-2.0
// What a decision may look at: plain numbers, taken at one moment.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::scheduler {

struct WorkerState {
  std::uint32_t node = 0;
  bool alive = true;
  std::int64_t requests = 0;       // placed there and not ended
  std::int64_t queued_tokens = 0;  // prompt tokens still to prefill (prefill), to decode (decode)
};

struct Snapshot {
  std::vector<WorkerState> prefill;
  std::vector<WorkerState> decode;
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
