// SPDX-License-Identifier: Apache-2.0
// Every task over the parts of data sets that come along.
#include "runtime/evaluation/tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "runtime/evaluation/answer_score.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using testing::ElementsAre;

const std::filesystem::path kSlices = std::filesystem::path(SLUICE_SOURCE_DIR) / "configs/tasks";

// About as many as a tokenizer finds in English.
std::int64_t count_tokens(std::string_view text) {
  return static_cast<std::int64_t>(text.size() / 4);
}

ItemRequest request_of(std::int64_t count) {
  return {.data = kSlices, .count = count, .count_tokens = count_tokens};
}

class EveryTask : public testing::TestWithParam<const TaskRow*> {};

TEST_P(EveryTask, HasTwelveItemsAtHandThatAreWhole) {
  const auto items = GetParam()->items(request_of(12));
  ASSERT_TRUE(items.has_value()) << items.error().message;
  ASSERT_EQ(items->size(), 12U);
  std::set<std::string> ids;
  for (const auto& item : *items) {
    EXPECT_EQ(item.task, GetParam()->name);
    EXPECT_TRUE(ids.insert(item.id).second) << item.id;
    EXPECT_FALSE(item.question.empty());
    EXPECT_TRUE(item.prompt.ends_with(item.question)) << item.id;
    ASSERT_FALSE(item.answers.empty());
    for (const auto& answer : item.answers) {
      // A gold answer is right, and no answer is not.
      EXPECT_EQ(GetParam()->score(item, answer), 1.0) << item.id << ": " << answer;
      EXPECT_EQ(exact_match(item, answer), 1.0) << item.id << ": " << answer;
    }
    EXPECT_EQ(GetParam()->score(item, ""), 0.0) << item.id;
    EXPECT_EQ(exact_match(item, "something else"), 0.0) << item.id;
  }
}

TEST_P(EveryTask, FewerItemsAreAPartOfMoreAndTheSeedDecides) {
  const auto few = GetParam()->items(request_of(5));
  const auto more = GetParam()->items(request_of(11));
  ASSERT_TRUE(few.has_value() && more.has_value());
  ASSERT_EQ(few->size(), 5U);
  for (std::size_t i = 0; i < few->size(); ++i) {
    EXPECT_EQ((*few)[i].id, (*more)[i].id);
    EXPECT_EQ((*few)[i].prompt, (*more)[i].prompt);
    EXPECT_EQ((*few)[i].answers, (*more)[i].answers);
  }
  auto request = request_of(11);
  request.seed = 8;
  const auto other = GetParam()->items(request);
  ASSERT_TRUE(other.has_value());
  bool is_other = false;
  for (std::size_t i = 0; i < other->size(); ++i) is_other |= (*other)[i].id != (*more)[i].id;
  EXPECT_TRUE(is_other);
  const auto none = GetParam()->items(request_of(0));
  ASSERT_TRUE(none.has_value());
  EXPECT_TRUE(none->empty());
}

TEST_P(EveryTask, NamesTheFileThatIsMissing) {
  const tests::TemporaryFolder folder;
  auto request = request_of(1);
  request.data = folder.path();
  const auto items = GetParam()->items(request);
  ASSERT_FALSE(items.has_value());
  EXPECT_EQ(items.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(items.error().message, testing::StartsWith(folder.path().string()));
  EXPECT_THAT(items.error().message, testing::HasSubstr(": has no file "));
}

std::vector<const TaskRow*> rows() {
  std::vector<const TaskRow*> found;
  for (const TaskRow& row : task_rows()) found.push_back(&row);
  return found;
}

INSTANTIATE_TEST_SUITE_P(Tasks, EveryTask, testing::ValuesIn(rows()),
                         [](const auto& tested) { return std::string(tested.param->name); });

TEST(Tasks, AreThese) {
  std::vector<std::string> names;
  for (const TaskRow& row : task_rows()) names.emplace_back(row.name);
  EXPECT_THAT(names, ElementsAre("squad", "triviaqa", "hotpotqa", "mmlu", "needle"));
  for (const TaskRow& row : task_rows()) {
    const auto found = find_task(row.name);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*found, &row);
  }
  const auto unknown = find_task("squat");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(unknown.error().message,
            "there is no task 'squat'; there are squad, triviaqa, hotpotqa, mmlu, needle");
}

// Which items a seed draws is part of what a published figure means.
TEST(Tasks, TheFirstItemsOfTheUsualSeedStayTheSame) {
  const auto first_id = [](const char* task) {
    return (*(*find_task(task))->items(request_of(1)))[0].id;
  };
  EXPECT_EQ(first_id("squad"), "d350e18fecbacbbc15cc61cfe");
  EXPECT_EQ(first_id("triviaqa"), "test_4207");
  EXPECT_EQ(first_id("hotpotqa"), "7");
  EXPECT_EQ(first_id("mmlu"), "high_school_us_history-2");
  EXPECT_EQ(first_id("needle"), "l1024-d0-k4-n0");
}

}  // namespace
}  // namespace sluice::runtime
