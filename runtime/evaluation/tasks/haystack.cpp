// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/haystack.hpp"

#include <algorithm>
#include <utility>

namespace sluice::runtime {
namespace {

// Shorter: an abbreviation taken for an end. Longer: a list, which would fill a short haystack.
constexpr std::size_t kSentenceBytesMin = 20;
constexpr std::size_t kSentenceBytesMax = 500;

bool is_end_mark(char c) { return c == '.' || c == '?' || c == '!'; }

bool is_start(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '"'; }

// Bytes from `at` on of a whole sentence and of the space behind it.
std::size_t sentence_bytes(std::string_view text, std::size_t at) {
  for (std::size_t i = at; i < text.size(); ++i) {
    if (text[i] == '\n') return i + 1 - at;
    if (!is_end_mark(text[i])) continue;
    std::size_t end = i + 1;
    while (end < text.size() && (text[end] == '"' || text[end] == ')')) ++end;
    if (end + 1 < text.size() && text[end] == ' ' && is_start(text[end + 1])) return end + 1 - at;
  }
  return text.size() - at;
}

}  // namespace

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> sentences;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = sentence_bytes(text, at);
    std::string_view sentence = text.substr(at, bytes);
    at += bytes;
    while (!sentence.empty() && (sentence.back() == ' ' || sentence.back() == '\n')) {
      sentence.remove_suffix(1);
    }
    if (sentence.size() < kSentenceBytesMin || sentence.size() > kSentenceBytesMax) continue;
    if (sentence.find('\n') == std::string_view::npos) sentences.emplace_back(sentence);
  }
  return sentences;
}

Haystack::Haystack(const std::vector<SquadArticle>& articles, const CountTokens& count_tokens) {
  // What a tokenizer puts before any text, and the sentence before this one.
  const std::string before = "It is so.";
  const std::int64_t before_tokens = count_tokens(before);
  for (const SquadArticle& article : articles) {
    for (const SquadParagraph& paragraph : article.paragraphs) {
      for (std::string& text : sentences_of(paragraph.context)) {
        const std::int64_t tokens = count_tokens(before + " " + text) - before_tokens;
        if (tokens > 0) sentences_.push_back({std::move(text), tokens});
      }
    }
  }
}

std::vector<std::string> Haystack::draw(std::int64_t tokens, SeededRandom& random) const {
  std::vector<std::string> drawn;
  if (sentences_.empty()) return drawn;
  std::vector<std::size_t> order(sentences_.size());
  std::size_t next = order.size();
  for (;;) {
    if (next == order.size()) {  // at the start, and when all are used
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
      random.shuffle(order);
      next = 0;
    }
    const Sentence& sentence = sentences_[order[next]];
    if (sentence.tokens > tokens) break;
    tokens -= sentence.tokens;
    drawn.push_back(sentence.text);
    ++next;
  }
  // The longest of the others that still fits, until none does.
  std::vector<const Sentence*> others;
  for (; next < order.size(); ++next) others.push_back(&sentences_[order[next]]);
  std::stable_sort(others.begin(), others.end(),
                   [](const auto* a, const auto* b) { return a->tokens > b->tokens; });
  for (const Sentence* sentence : others) {
    if (sentence->tokens > tokens) continue;
    tokens -= sentence->tokens;
    drawn.push_back(sentence->text);
  }
  return drawn;
}

}  // namespace sluice::runtime
