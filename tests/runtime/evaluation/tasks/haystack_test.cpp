// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/haystack.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace sluice::runtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Words; one more for what a tokenizer puts before every text.
std::int64_t count_words(std::string_view text) {
  std::int64_t words = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ' ' && (i == 0 || text[i - 1] == ' ')) ++words;
  }
  return words;
}

// Sentence i, of `words` words.
std::string sentence(std::size_t i, std::size_t words) {
  std::string text = "Sentence" + std::to_string(1000 + i);
  for (std::size_t w = 1; w + 1 < words; ++w) text += " word";
  return text + " ends-here.";
}

std::vector<SquadArticle> article_of(const std::vector<std::size_t>& words) {
  SquadParagraph paragraph;
  for (std::size_t i = 0; i < words.size(); ++i) paragraph.context += sentence(i, words[i]) + " ";
  return {{"T", {paragraph}}};
}

std::int64_t words_in(const std::vector<std::string>& sentences) {
  return std::accumulate(
      sentences.begin(), sentences.end(), std::int64_t{0},
      [](std::int64_t sum, const std::string& text) { return sum + count_words(text) - 1; });
}

TEST(Haystack, SentencesEndWhereAnotherBegins) {
  EXPECT_THAT(
      sentences_of("The company of the U.S. made it. Was it (as some say) \"good enough?\" "
                   "Nobody knew it at all! He paid 3.5 dollars, e.g. for a mile. Too short. "
                   "The last one has no end"),
      ElementsAre("The company of the U.S. made it.", "Was it (as some say) \"good enough?\"",
                  "Nobody knew it at all!", "He paid 3.5 dollars, e.g. for a mile.",
                  "The last one has no end"));
  EXPECT_THAT(sentences_of(""), IsEmpty());
  EXPECT_THAT(sentences_of(std::string(600, 'x')), IsEmpty());
  EXPECT_THAT(sentences_of("One line that is a title\nAnother that is one too"),
              ElementsAre("One line that is a title", "Another that is one too"));
}

TEST(Haystack, FillsToTheTokenWhereSentencesAllowIt) {
  std::vector<std::size_t> words;
  for (std::size_t i = 0; i < 60; ++i) words.push_back(3 + i % 20);
  const Haystack haystack(article_of(words), count_words);
  for (std::int64_t tokens = 100; tokens < 200; tokens += 7) {
    SeededRandom random(1, "draw", static_cast<std::uint64_t>(tokens));
    const auto drawn = haystack.draw(tokens, random);
    EXPECT_LE(words_in(drawn), tokens);
    EXPECT_GE(words_in(drawn), tokens - 2);  // the shortest sentence has three
    EXPECT_EQ(std::set<std::string>(drawn.begin(), drawn.end()).size(), drawn.size());
  }
}

TEST(Haystack, ItsSentencesComeAgainWhenAllAreUsed) {
  const Haystack haystack(article_of({4, 4, 4, 4, 4}), count_words);
  SeededRandom random(1, "draw");
  const auto drawn = haystack.draw(43, random);
  ASSERT_EQ(drawn.size(), 10U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(std::count(drawn.begin(), drawn.end(), sentence(i, 4)), 2) << i;
  }
}

TEST(Haystack, NothingFitsInNothing) {
  SeededRandom random(1, "draw");
  EXPECT_THAT(Haystack(article_of({4, 5}), count_words).draw(3, random), IsEmpty());
  EXPECT_THAT(Haystack(article_of({4, 5}), count_words).draw(-5, random), IsEmpty());
  const Haystack empty({}, count_words);
  EXPECT_TRUE(empty.is_empty());
  EXPECT_THAT(empty.draw(100, random), IsEmpty());
}

}  // namespace
}  // namespace sluice::runtime
