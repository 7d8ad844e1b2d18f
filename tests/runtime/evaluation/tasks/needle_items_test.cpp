// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/needle_items.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "runtime/evaluation/tasks/haystack.hpp"

namespace sluice::runtime {
namespace {

using testing::HasSubstr;

std::int64_t count_words(std::string_view text) {
  std::int64_t words = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] > ' ' && (i == 0 || text[i - 1] <= ' ')) ++words;
  }
  return words;
}

// 200 sentences of three to twelve words, each of its own.
std::vector<SquadArticle> articles() {
  SquadParagraph paragraph;
  for (int i = 0; i < 200; ++i) {
    paragraph.context += "Sentence" + std::to_string(1000 + i);
    for (int w = 0; w < 1 + i % 10; ++w) paragraph.context += " word";
    paragraph.context += " ends-here. ";
  }
  return {{"T", {paragraph}}};
}

ItemRequest request_of(std::int64_t count) { return {.count = count, .count_tokens = count_words}; }

// The haystack's sentences, needles among them.
std::vector<std::string> hay(const EvaluationItem& item) {
  return sentences_of(item.prompt.substr(0, item.prompt.find("\n\n")));
}

bool is_needle(const std::string& sentence) {
  return sentence.starts_with("The special magic number for ");
}

TEST(NeedleItems, FillTheGridOnceARound) {
  const auto items = needle_items_of(articles(), request_of(70));
  ASSERT_TRUE(items.has_value()) << items.error().message;
  ASSERT_EQ(items->size(), 70U);
  std::set<std::string> ids;
  std::map<std::string, int> places;
  for (std::size_t i = 0; i < 70; ++i) {
    const auto& id = (*items)[i].id;
    ids.insert(id);
    if (i < 60) ++places[id.substr(0, id.rfind('-'))];
  }
  EXPECT_EQ(ids.size(), 70U);
  EXPECT_EQ(places.size(), 30U);  // three lengths, five depths, one key or four
  for (const auto& [place, count] : places) EXPECT_EQ(count, 2) << place;
  EXPECT_TRUE(ids.contains("l512-d0.25-k4-n0") && ids.contains("l1024-d1-k1-n1"));
}

TEST(NeedleItems, AreAsLongAsAskedAndLieAsDeepAsAsked) {
  const auto items = needle_items_of(articles(), request_of(60));
  ASSERT_TRUE(items.has_value()) << items.error().message;
  for (const auto& item : *items) {
    const auto tokens = count_words(item.prompt);
    EXPECT_LE(tokens, item.length - kAroundTokens) << item.id;
    EXPECT_GE(tokens, item.length - kAroundTokens - 4) << item.id;
    const auto sentences = hay(item);
    std::int64_t needles = 0;
    std::size_t asked = sentences.size();
    for (std::size_t i = 0; i < sentences.size(); ++i) {
      if (!is_needle(sentences[i])) continue;
      ++needles;
      if (sentences[i] == item.answer_start + item.answers[0] + ".") asked = i;
    }
    EXPECT_EQ(needles, item.keys) << item.id;
    const auto others = static_cast<double>(sentences.size() - 1);
    EXPECT_EQ(static_cast<double>(asked), std::round(item.depth * others)) << item.id;
  }
}

TEST(NeedleItems, AskForOneOfTheHiddenNumbers) {
  const auto items = needle_items_of(articles(), request_of(40));
  ASSERT_TRUE(items.has_value()) << items.error().message;
  for (const auto& item : *items) {
    EXPECT_EQ(item.task, "needle");
    EXPECT_TRUE(item.prompt.ends_with("\n\n" + item.question));
    EXPECT_THAT(item.question, HasSubstr("What is the special magic number for "));
    ASSERT_EQ(item.answers.size(), 1U);
    ASSERT_EQ(item.answers[0].size(), 8U);  // a space and seven digits
    EXPECT_EQ(item.answers[0][0], ' ');
    // Said once: no other needle has it.
    EXPECT_EQ(item.prompt.find(item.answers[0]), item.prompt.rfind(item.answers[0]));
  }
}

TEST(NeedleItems, TakeAGridOfTheirOwnAndFewerAreAPartOfMore) {
  auto request = request_of(4);
  request.lengths = {2000};
  request.depths = {0.5, 1.0 / 3.0};
  request.keys = {16};
  const auto few = needle_items_of(articles(), request);
  request.count = 9;
  const auto more = needle_items_of(articles(), request);
  ASSERT_TRUE(few.has_value() && more.has_value());
  ASSERT_EQ(few->size(), 4U);
  ASSERT_EQ(more->size(), 9U);
  for (std::size_t i = 0; i < few->size(); ++i) {
    EXPECT_EQ((*few)[i].id, (*more)[i].id);
    EXPECT_EQ((*few)[i].prompt, (*more)[i].prompt);
    EXPECT_EQ((*few)[i].length, 2000);
    EXPECT_EQ((*few)[i].keys, 16);
  }
  request.seed = 8;
  EXPECT_NE((*needle_items_of(articles(), request))[0].prompt, (*more)[0].prompt);
}

TEST(NeedleItems, SayWhyAGridCannotBe) {
  const auto message = [](ItemRequest request) {
    const auto items = needle_items_of(articles(), request);
    return items ? std::string("no error") : items.error().message;
  };
  auto request = request_of(1);
  request.lengths = {100};
  request.keys = {4};
  EXPECT_EQ(message(request),
            "needle: a length of 100 tokens has no room for 4 needles and the question");
  request = request_of(1);
  request.lengths = {0};
  EXPECT_EQ(message(request), "needle: a length of 0 tokens is not 1 to 1048576");
  request = request_of(1);
  request.depths = {std::nan("")};
  EXPECT_EQ(message(request), "needle: a depth is not 0 to 1");
  request = request_of(1);
  request.keys = {17};
  EXPECT_EQ(message(request), "needle: 17 keys are not 1 to 16");
  request = request_of(1);
  request.depths.assign(5000, 0.5);
  EXPECT_EQ(message(request), "needle: the grid has more than 4096 places");
  EXPECT_EQ(message(request_of(10001)), "needle: 10001 items are more than 10000");
  EXPECT_EQ(message({.count = 1}), "needle: tokens cannot be counted without a tokenizer");
  EXPECT_EQ(needle_items_of({}, request_of(1)).error().message,
            "needle: the articles hold no sentences to hide among");
}

}  // namespace
}  // namespace sluice::runtime
