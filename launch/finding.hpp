// SPDX-License-Identifier: Apache-2.0
// One thing that `sluice doctor` looked at: what it found, what is lost without it, how to get it.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>

namespace sluice::launch {

enum class Mark : std::uint8_t {
  kOk,
  kNote,     // works; something could be better or is worth knowing
  kMissing,  // serving works without it, but loses what `lost` says
  kSlow,     // serving works, on a slower path than the machines have
  kBroken,   // serving cannot work
};

// "OK", "NOTE", "MISSING", "SLOW", "BROKEN"
const char* mark_name(Mark mark);

struct Finding {
  std::string group = {};  // findings of one group follow each other
  std::string name = {};
  Mark mark = Mark::kOk;
  std::string found = {};
  std::string lost = {};    // empty for kOk
  std::string remedy = {};  // empty when there is none
};

// Grouped and aligned.
void print_finding_list(std::ostream& out, std::span<const Finding> findings);

// The same, then one line that sums up for this machine.
void print_findings(std::ostream& out, std::span<const Finding> findings);

// 1 when a finding is kBroken, else 0.
int exit_status(std::span<const Finding> findings);

}  // namespace sluice::launch
