// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/nearest_name.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::runtime {
namespace {

TEST(EditDistance, CountsEachKindOfMistakeOnce) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("port", "port"), 0U);
  EXPECT_EQ(edit_distance("prt", "port"), 1U);
  EXPECT_EQ(edit_distance("pport", "port"), 1U);
  EXPECT_EQ(edit_distance("pert", "port"), 1U);
  EXPECT_EQ(edit_distance("prot", "port"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(NearestName, OnlyWhenNear) {
  const std::vector<std::string_view> names = {"threads", "kv_memory", "device"};
  EXPECT_EQ(nearest_name("thread", names), "threads");
  EXPECT_EQ(nearest_name("kv-memory", names), "kv_memory");
  EXPECT_EQ(nearest_name("DEVICE", names), "device");
  EXPECT_EQ(nearest_name("kvmem", names), "");
  EXPECT_EQ(nearest_name("colour", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name(std::string(1000, 'd'), names), "");
  EXPECT_EQ(nearest_name("threads", {}), "");
}

TEST(SuggestName, NearestOrAll) {
  const std::vector<std::string_view> names = {"host", "port", "path"};
  EXPECT_EQ(suggest_name("hots", names), "did you mean \"host\"?");
  EXPECT_EQ(suggest_name("colour", names), "valid are \"host\", \"port\" and \"path\"");
}

TEST(InQuotes, Quotes) { EXPECT_EQ(in_quotes("a"), "\"a\""); }

}  // namespace
}  // namespace sluice::runtime
