// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/mmlu_items.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using testing::ElementsAre;

TEST(MmluItems, AskInTheOfficialForm) {
  const auto items = parse_mmlu("\"A text.\nWhich, of these?\",one,two,three,\"four, five\",C\n",
                                "us_history", "x.csv");
  ASSERT_TRUE(items.has_value()) << items.error().message;
  ASSERT_EQ(items->size(), 1U);
  const auto& item = items->front();
  EXPECT_EQ(item.task, "mmlu");
  EXPECT_EQ(item.id, "us_history-1");
  EXPECT_EQ(item.question, "Which, of these?\nA. one\nB. two\nC. three\nD. four, five");
  EXPECT_EQ(item.prompt,
            "The following are multiple choice questions (with answers) about us history.\n\n"
            "A text.\n" +
                item.question);
  EXPECT_EQ(item.answer_start, "Answer:");
  EXPECT_THAT(item.choices, ElementsAre(" A", " B", " C", " D"));
  EXPECT_THAT(item.answers, ElementsAre(" C"));
}

TEST(MmluItems, NameTheRecordThatIsWrong) {
  const auto message = [](const std::string& text) {
    const auto items = parse_mmlu(text, "s", "x.csv");
    return items ? std::string("no error") : items.error().message;
  };
  EXPECT_EQ(message("q,a,b,c,d,E\n"), "x.csv: record 1 has an answer that is none of A to D");
  EXPECT_EQ(message("q,a,b,c,d,AB\n"), "x.csv: record 1 has an answer that is none of A to D");
  EXPECT_EQ(message("q,a,b,c,d,A\nq,,b,c,d,A\n"), "x.csv: record 2: a field is empty");
  EXPECT_EQ(message("q,\xff,b,c,d,A\n"), "x.csv: record 1: a field is not UTF-8");
  EXPECT_EQ(message("q,a,b,c,A\n"), "x.csv: record 1 does not have 6 fields");
  EXPECT_EQ(message(""), "x.csv: has no questions");
  EXPECT_FALSE(parse_mmlu("q,a,b,c,d,A\n", "a name", "x.csv").has_value());
}

TEST(MmluItems, GoRoundTheSubjects) {
  const tests::TemporaryFolder folder;
  ItemRequest request{.data = folder.path(), .count = 4};
  EXPECT_EQ(mmlu_items(request).error().message,
            (folder.path() / "mmlu").string() + ": has no file *_test.csv");
  std::filesystem::create_directory(folder.path() / "mmlu");
  folder.write("mmlu/x_test.csv", "1,a,b,c,d,A\n2,a,b,c,d,A\n3,a,b,c,d,A\n");
  folder.write("mmlu/y_test.csv", "1,a,b,c,d,A\n");
  const auto items = mmlu_items(request);
  ASSERT_TRUE(items.has_value()) << items.error().message;
  ASSERT_EQ(items->size(), 4U);
  EXPECT_NE((*items)[0].id[0], (*items)[1].id[0]);
  EXPECT_EQ((*items)[3].id[0], 'x');
}

}  // namespace
}  // namespace sluice::runtime
