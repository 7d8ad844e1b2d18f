// SPDX-License-Identifier: Apache-2.0
// What a policy decides in a small scripted cluster, as text: a log that a change of its decisions
// shows in.
#pragma once

#include <string>
#include <string_view>

namespace sluice::tests {

// One line per request: its moment, its shape, what was decided and why. Three prefill and three
// decode workers with links of unlike and changing rates; work is done as time passes; workers fill
// up, die and return; prompts are cached or long, impatient or pinned to a level. The same on every
// machine, for a policy whose decisions are.
std::string golden_decisions(std::string_view policy);

}  // namespace sluice::tests
