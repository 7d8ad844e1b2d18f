// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/stop_text.hpp"

#include <gtest/gtest.h>

#include <random>

namespace sluice::runtime {
namespace {

TEST(StopText, WithoutStopsEverythingPasses) {
  StopText stop({});
  EXPECT_EQ(stop.push("abc"), "abc");
  EXPECT_EQ(stop.finish(), "");
  EXPECT_FALSE(stop.is_matched());
}

TEST(StopText, HoldsBackWhatMayBecomeAStop) {
  StopText stop({"\n\nQ:"});
  EXPECT_EQ(stop.push("one\n"), "one");
  EXPECT_EQ(stop.push("two\n\n"), "\ntwo");
  EXPECT_EQ(stop.push("Q"), "");
  EXPECT_EQ(stop.push("x"), "\n\nQx");
  EXPECT_EQ(stop.push("\n\nQ: more"), "");
  EXPECT_TRUE(stop.is_matched());
  EXPECT_EQ(stop.push("after"), "");
  EXPECT_EQ(stop.finish(), "");
}

TEST(StopText, TheEndReleasesWhatWasHeld) {
  StopText stop({"END"});
  EXPECT_EQ(stop.push("theEN"), "the");
  EXPECT_EQ(stop.finish(), "EN");
  EXPECT_EQ(stop.finish(), "");
}

TEST(StopText, TheFirstStopInTheTextWins) {
  StopText stop({"later", "soon"});
  EXPECT_EQ(stop.push("a soon b later"), "a ");
  EXPECT_TRUE(stop.is_matched());
}

// However the text is cut, the outcome is that of a search in the whole text.
TEST(StopText, PiecesDoNotMatter) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 30; ++i) text += static_cast<char>('a' + random() % 2);
    const std::vector<std::string> stops = {"abba", "aaaab", "bbb"};
    StopText stop(stops);
    std::string passed;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t bytes = 1 + random() % 4;
      passed += stop.push(std::string_view(text).substr(at, bytes));
      at += bytes;
    }
    passed += stop.finish();
    std::size_t first = std::string::npos;
    for (const std::string& one : stops) first = std::min(first, text.find(one));
    EXPECT_EQ(stop.is_matched(), first != std::string::npos);
    // A stop that is complete first may begin after one that is not, so the cut may be later.
    EXPECT_EQ(text.substr(0, passed.size()), passed);
    if (first == std::string::npos) {
      EXPECT_EQ(passed, text);
    }
    for (const std::string& one : stops) EXPECT_EQ(passed.find(one), std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::runtime
