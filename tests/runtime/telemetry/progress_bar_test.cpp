// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/progress_bar.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <sstream>

namespace sluice::runtime {
namespace {

using std::chrono::milliseconds;

const ProgressBar::Clock::time_point kStart{};

TEST(ProgressBar, TerminalIsRedrawnInPlace) {
  std::ostringstream out;
  ProgressBar bar(out, {.label = "load", .total = 1000, .is_terminal = true}, kStart);
  bar.update(500, kStart + milliseconds(200));
  EXPECT_EQ(out.str(), "\rload [###############...............]  50 % of 1.00 kB, 0.2 s\x1b[K");
  out.str("");
  bar.update(1000, kStart + milliseconds(400));
  bar.finish(kStart + milliseconds(400));
  const std::string last = "\rload [##############################] 100 % of 1.00 kB, 0.4 s\x1b[K";
  EXPECT_EQ(out.str(), last + last + "\n");
}

TEST(ProgressBar, TerminalIsNotRedrawnTooOften) {
  std::ostringstream out;
  ProgressBar bar(out, {.label = "load", .total = 1000, .is_terminal = true}, kStart);
  for (int i = 0; i < 1000; ++i) bar.update(i, kStart + milliseconds(i));
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 10);
}

TEST(ProgressBar, LogGetsALineForEachQuarter) {
  std::ostringstream out;
  ProgressBar bar(out, {.label = "build", .total = 100, .unit = ProgressUnit::kCount}, kStart);
  for (int i = 0; i <= 100; ++i) bar.update(i, kStart + milliseconds(10 * i));
  bar.finish(kStart + milliseconds(1000));
  EXPECT_EQ(out.str(),
            "build  25 % of 100, 0.2 s\nbuild  50 % of 100, 0.5 s\nbuild  75 % of 100, 0.8 s\n"
            "build 100 % of 100, 1.0 s\n");
}

TEST(ProgressBar, SaysHowLongTheRestTakes) {
  std::ostringstream out;
  ProgressBar bar(out, {.label = "x", .total = 1000, .unit = ProgressUnit::kCount}, kStart);
  bar.update(250, kStart + milliseconds(10'000));
  bar.update(500, kStart + milliseconds(600'000));
  bar.update(750, kStart + milliseconds(60'000'000));
  bar.finish(kStart + milliseconds(60'000'000));
  EXPECT_EQ(out.str(),
            "x  25 % of 1,000, 10.0 s, 30 s left\nx  50 % of 1,000, 600.0 s, 10 min left\n"
            "x  75 % of 1,000, 60000.0 s, 5.6 h left\nx  75 % of 1,000, 60000.0 s, 5.6 h left\n");
}

TEST(ProgressBar, PerCentNameNoTotal) {
  std::ostringstream out;
  ProgressBar bar(out, {.label = "load", .total = 100, .unit = ProgressUnit::kPercent}, kStart);
  bar.update(100, kStart);
  bar.finish(kStart);
  EXPECT_EQ(out.str(), "load 100 %, 0.0 s\n");
}

TEST(ProgressBar, AnUnknownTotalIsOneLine) {
  std::ostringstream out;
  ProgressBar bar(out, {.label = "fetch"}, kStart);
  bar.update(10, kStart);
  bar.update(2'000'000, kStart);
  bar.finish(kStart);
  EXPECT_EQ(out.str(), "fetch 2.00 MB, 0.0 s\n");
}

TEST(ProgressBar, StaysInBoundsAndEndsOnce) {
  std::ostringstream out;
  {
    const std::int64_t most = std::numeric_limits<std::int64_t>::max();
    ProgressBar bar(out, {.label = "x", .total = most, .is_terminal = true}, kStart);
    bar.update(-5, kStart);
    bar.update(most, kStart + milliseconds(200));
    bar.finish(kStart);
    bar.update(1, kStart + milliseconds(900));
  }
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_NE(text.find("  0 %"), std::string::npos);
  EXPECT_NE(text.find("100 %"), std::string::npos);
}

}  // namespace
}  // namespace sluice::runtime
