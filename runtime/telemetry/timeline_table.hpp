// SPDX-License-Identifier: Apache-2.0
// The table that `sluice run` prints under an answer: where its time and its bytes went.
#pragma once

#include <string>

#include "runtime/telemetry/timeline.hpp"

namespace sluice::runtime {

// Lines of text, the last one ended. "other" is what the five parts leave of the time to first
// token: control messages and waking up. A figure that was not measured is "-".
std::string format_timeline(const RequestTimeline& timeline);

// Output tokens after the first per second between the first and the last; 0 when there are none.
double decode_tokens_per_s(const RequestTimeline& timeline);

}  // namespace sluice::runtime
