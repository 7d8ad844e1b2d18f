// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/progress_bar.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "runtime/telemetry/human_number.hpp"

namespace sluice::runtime {
namespace {

constexpr int kBarWidth = 30;
constexpr std::chrono::milliseconds kRedrawEvery{100};

std::string amount(std::int64_t number, ProgressUnit unit) {
  if (unit == ProgressUnit::kBytes) return human_bytes(static_cast<double>(number));
  return human_count(number);
}

// Estimated once there is something to estimate from.
constexpr double kEstimateAfterS = 5.0;

// ", 12 min left", or nothing.
std::string time_left(std::int64_t done, std::int64_t total, double spent_s) {
  if (done <= 0 || done >= total || spent_s < kEstimateAfterS) return {};
  const double left = spent_s * (static_cast<double>(total) / static_cast<double>(done) - 1.0);
  if (left < 100.0) return fmt::format(", {:.0f} s left", left);
  if (left < 100.0 * 60.0) return fmt::format(", {:.0f} min left", left / 60.0);
  return fmt::format(", {:.1f} h left", left / 3600.0);
}

}  // namespace

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

ProgressBar::ProgressBar(std::ostream& out, ProgressOptions options, Clock::time_point now)
    : out_(out), options_(std::move(options)), start_(now), drawn_(now) {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::update(std::int64_t done, Clock::time_point now) {
  if (is_finished_) return;
  done_ = std::max<std::int64_t>(done, 0);
  if (options_.total > 0) done_ = std::min(done_, options_.total);
  if (options_.is_terminal) {
    if (is_drawn_ && now - drawn_ < kRedrawEvery) return;
    draw(now);
    return;
  }
  if (options_.total <= 0) return;
  // As doubles: four times a total near the largest integer would overflow.
  const auto quarter = static_cast<std::int64_t>(4.0 * static_cast<double>(done_) /
                                                 static_cast<double>(options_.total));
  // The last quarter is finish()'s.
  if (quarter <= quarter_ || quarter >= 4) return;
  quarter_ = quarter;
  draw(now);
}

void ProgressBar::finish(Clock::time_point now) {
  if (is_finished_) return;
  draw(now);
  if (options_.is_terminal) out_ << '\n' << std::flush;
  is_finished_ = true;
}

void ProgressBar::draw(Clock::time_point now) {
  std::string line = options_.label + " ";
  if (options_.total > 0) {
    const double share = static_cast<double>(done_) / static_cast<double>(options_.total);
    if (options_.is_terminal) {
      const int filled = static_cast<int>(share * kBarWidth);
      line += '[';
      line.append(static_cast<std::size_t>(filled), '#');
      line.append(static_cast<std::size_t>(kBarWidth - filled), '.');
      line += "] ";
    }
    line += fmt::format("{:3.0f} %", 100.0 * share);
    if (options_.unit != ProgressUnit::kPercent) {
      line += " of " + amount(options_.total, options_.unit);
    }
  } else {
    line += amount(done_, options_.unit);
  }
  const double seconds = std::chrono::duration<double>(now - start_).count();
  line += fmt::format(", {:.1f} s", seconds) + time_left(done_, options_.total, seconds);
  // Erase to the end of the line: the new text may be shorter than the one before.
  if (options_.is_terminal) {
    out_ << '\r' << line << "\x1b[K" << std::flush;
  } else {
    out_ << line << '\n' << std::flush;
  }
  drawn_ = now;
  is_drawn_ = true;
}

}  // namespace sluice::runtime
