// SPDX-License-Identifier: Apache-2.0
// `sluice decisions`: a scheduler's decision log, as a person reads it.
// Private to the sources beside it: it names the library of options.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>

#include "runtime/router/decision_history.hpp"

namespace CLI {
class App;
}

namespace sluice::launch {

struct DecisionsOptions {
  std::filesystem::path log;
  std::int64_t last = 20;  // requests to list; 0: none, the summary alone
};

// The last requests, a line each; what each policy and level came to; how good predictions were.
void print_decisions(std::ostream& out, const runtime::DecisionHistory& history, std::int64_t last);

// As add_codec().
void add_decisions(CLI::App& app, DecisionsOptions& options, std::function<int()>& chosen);

}  // namespace sluice::launch
