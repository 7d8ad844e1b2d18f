// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/squad_items.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace sluice::runtime {
namespace {

std::string tag(const std::string& name) {
  std::string text = "<";  // not "<" + name: GCC 12 takes it for an overlapping copy
  text += name;
  text += '>';
  return text;
}

// Paragraph p of article a: "<a.p>", with `questions` questions "a.p.q".
std::vector<SquadArticle> articles_of(std::size_t count, std::size_t paragraphs,
                                      std::size_t questions) {
  std::vector<SquadArticle> articles(count);
  for (std::size_t a = 0; a < count; ++a) {
    articles[a].title = std::to_string(a);
    articles[a].paragraphs.resize(paragraphs);
    for (std::size_t p = 0; p < paragraphs; ++p) {
      const std::string name = std::to_string(a) + "." + std::to_string(p);
      articles[a].paragraphs[p].context = tag(name);
      for (std::size_t q = 0; q < questions; ++q) {
        const std::string id = name + "." + std::to_string(q);
        articles[a].paragraphs[p].questions.push_back({id, id + "?", {"answer " + id, "other"}});
      }
    }
  }
  return articles;
}

ItemRequest request_of(std::int64_t count) {
  ItemRequest request;
  request.count = count;
  return request;
}

TEST(SquadItems, ThreeParagraphsOfTheArticleWithTheOneThatAnswers) {
  std::set<std::size_t> places;
  for (const auto& item : squad_items_of(articles_of(3, 5, 2), request_of(30))) {
    const std::string article = item.id.substr(0, 1);
    EXPECT_EQ(item.task, "squad");
    EXPECT_EQ(item.question, "Answer in a few words. " + item.id + "?");
    EXPECT_TRUE(item.prompt.ends_with("\n\n" + item.question));
    EXPECT_EQ(item.answers[0], "answer " + item.id);
    EXPECT_EQ(item.answers.size(), 2U);
    std::size_t found = 0;
    for (std::size_t at = item.prompt.find('<'); at != std::string::npos;
         at = item.prompt.find('<', at + 1)) {
      EXPECT_EQ(item.prompt.substr(at + 1, 1), article);
      ++found;
    }
    EXPECT_EQ(found, 3U);
    const auto own = item.prompt.find(tag(item.id.substr(0, 3)));
    ASSERT_NE(own, std::string::npos) << item.prompt;
    places.insert(own);
  }
  EXPECT_EQ(places.size(), 3U);  // first, second, third
}

TEST(SquadItems, GoRoundArticlesAndParagraphsBeforeAnyIsAskedTwice) {
  const auto items = squad_items_of(articles_of(4, 3, 2), request_of(1000));
  ASSERT_EQ(items.size(), 24U);  // all there are, each once
  std::set<std::string> ids;
  std::set<std::string> paragraphs;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ids.insert(items[i].id);
    if (i < 12) paragraphs.insert(items[i].id.substr(0, 3));
  }
  EXPECT_EQ(ids.size(), 24U);
  EXPECT_EQ(paragraphs.size(), 12U);
  std::set<char> first_articles;
  for (std::size_t i = 0; i < 4; ++i) first_articles.insert(items[i].id[0]);
  EXPECT_EQ(first_articles.size(), 4U);
}

TEST(SquadItems, AShortArticleGivesWhatItHas) {
  const auto items = squad_items_of(articles_of(1, 1, 1), request_of(5));
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].prompt, "<0.0>\n\nAnswer in a few words. 0.0.0?");
  EXPECT_TRUE(squad_items_of(articles_of(2, 3, 0), request_of(5)).empty());
}

}  // namespace
}  // namespace sluice::runtime
