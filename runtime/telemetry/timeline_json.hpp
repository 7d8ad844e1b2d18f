// SPDX-License-Identifier: Apache-2.0
// A timeline for programs: one JSON object, the names of RequestTimeline's fields as keys.
#pragma once

#include <string>

#include "runtime/telemetry/timeline.hpp"

namespace sluice::runtime {

std::string timeline_json(const RequestTimeline& timeline);

}  // namespace sluice::runtime
