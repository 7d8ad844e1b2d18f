// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/csv_rows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(CsvRows, ReadsQuotesCommasAndLineBreaksInFields) {
  const auto rows = parse_csv("a,b\r\n\"x, y\",\"he said \"\"no\"\"\nand left\"\n,\n", 2, "f");
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_THAT(*rows,
              ElementsAre(ElementsAre("a", "b"), ElementsAre("x, y", "he said \"no\"\nand left"),
                          ElementsAre("", "")));
}

TEST(CsvRows, TheLastLineNeedsNoEndAndEmptyLinesAreNone) {
  const auto rows = parse_csv("\n\na,\"b\"\n\r\n\nc,d", 2, "f");
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_THAT(*rows, ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(*parse_csv("", 2, "f"), IsEmpty());
}

TEST(CsvRows, NamesTheRecordThatIsWrong) {
  for (const char* text : {"a,b\nc", "a,b\nc,d,e", "a,b\nc,d,"}) {
    const auto rows = parse_csv(text, 2, "x.csv");
    ASSERT_FALSE(rows.has_value()) << text;
    EXPECT_EQ(rows.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(rows.error().message, "x.csv: record 2 does not have 2 fields");
  }
  for (const char* text : {"a,\"b", "a,b\"c", "a,\"b\"c", "a,\"b\"\"", "a,\"b\" "}) {
    const auto rows = parse_csv(text, 2, "x.csv");
    ASSERT_FALSE(rows.has_value()) << text;
    EXPECT_EQ(rows.error().message, "x.csv: record 1 has a quote in the wrong place");
  }
}

}  // namespace
}  // namespace sluice::runtime
