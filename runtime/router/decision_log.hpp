// SPDX-License-Identifier: Apache-2.0
// The decision log: a file of JSON lines, one object a line, for people and for `sluice decisions`.
// docs/scheduler.md tells every key.
//
//   {"event":"start", ...}        a router began: its policy and its levels
//   {"event":"decision", ...}     where a request goes, why, and what else was looked at
//   {"event":"first_token", ...}  predicted against measured, by part
//   {"event":"unanswered", ...}   a request that was placed ended without a token
//   {"event":"lost", ...}         lines that could not be written
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/router/router_options.hpp"
#include "scheduler/decision.hpp"
#include "scheduler/level_table.hpp"

namespace sluice::runtime {

struct DecisionLogOptions {
  // Lines that the disk has not taken yet; more are lost, and counted.
  std::size_t pending_bytes_max = std::size_t{8} << 20;
  // Told once, in a sentence, from the log's own thread, when the file takes no more; may be empty.
  std::function<void(const std::string&)> warn = {};
  // Seconds since 1970; empty: the system's clock.
  std::function<double()> clock = {};
};

class DecisionLog {
 public:
  virtual ~DecisionLog() = default;  // writes what is pending

  // Appends to the file, which is made if it is not there. kUnavailable, in words.
  static Result<std::unique_ptr<DecisionLog>> open(const std::filesystem::path& path,
                                                   DecisionLogOptions options = {});

  // One thread at a time; none of them waits for the disk.
  virtual void started(std::string_view policy, const scheduler::LevelTable* levels) = 0;
  virtual void decided(const DecisionReport& report) = 0;
  virtual void ended(const OutcomeReport& report) = 0;
};

// What of the alternatives goes into the log: of each level, and of local prefill, the way that was
// predicted to be soonest, other than what was decided for; of these the `most` soonest, soonest
// first. Ways without a prediction are left out. So the level that was chosen is there with the
// best of the other workers, and every other level with its best workers.
std::vector<scheduler::Alternative> best_alternatives(
    std::span<const scheduler::Alternative> alternatives, const scheduler::Decision& decision,
    std::size_t most);

}  // namespace sluice::runtime
