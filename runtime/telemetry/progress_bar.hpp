// SPDX-License-Identifier: Apache-2.0
// A long step's progress on a terminal: a bar redrawn in place, or a few plain lines in a log.
// After some seconds also how long the rest takes, if it goes on as it did.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>

namespace sluice::runtime {

enum class ProgressUnit : std::uint8_t {
  kBytes,
  kCount,
  kPercent,  // a total of 100, which is not named
};

struct ProgressOptions {
  std::string label;       // "loading weights"
  std::int64_t total = 0;  // 0: not known, then no bar and no percentage
  ProgressUnit unit = ProgressUnit::kBytes;
  bool is_terminal = false;  // redraw in place
};

// True when standard error is a terminal.
bool stderr_is_terminal();

// Writes to `out` only in update() and finish(). A terminal is redrawn at most ten times a second;
// elsewhere a line is written for each quarter. Not for several threads at once.
class ProgressBar {
 public:
  using Clock = std::chrono::steady_clock;

  ProgressBar(std::ostream& out, ProgressOptions options, Clock::time_point now = Clock::now());
  ~ProgressBar();  // finishes
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `done` of the total; going back is allowed.
  void update(std::int64_t done, Clock::time_point now = Clock::now());

  // The last state, for good; later calls do nothing.
  void finish(Clock::time_point now = Clock::now());

 private:
  void draw(Clock::time_point now);

  std::ostream& out_;
  const ProgressOptions options_;
  const Clock::time_point start_;
  Clock::time_point drawn_;
  std::int64_t done_ = 0;
  std::int64_t quarter_ = 0;  // the last one written to a log
  bool is_drawn_ = false;
  bool is_finished_ = false;
};

}  // namespace sluice::runtime
