// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/answer_score.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "runtime/tokenizer/letter_case.hpp"
#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {
namespace {

using NormalForm = std::string (*)(std::string_view);

// Characters of a text, its bytes that are no UTF-8 as one character each.
template <class Visit>
void each_character(std::string_view text, const Visit& visit) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = std::max<std::size_t>(1, utf8_character_bytes(text, at));
    visit(text.substr(at, bytes));
    at += bytes;
  }
}

char32_t code_point_of(std::string_view character) {
  if (utf8_character_bytes(character, 0) == 0) return 0xfffd;
  return utf8_code_point(character);
}

// Python's string.punctuation.
bool is_ascii_punctuation(std::string_view character) {
  if (character.size() != 1) return false;
  const char c = character[0];
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

bool is_article(std::string_view word) { return word == "a" || word == "an" || word == "the"; }

// As re.sub(r"\b(a|an|the)\b", " ", text): an article stands where no word character touches it.
std::string without_articles(std::string_view text) {
  std::string out;
  std::string word;
  const auto end_word = [&] {
    out += is_article(word) ? " " : word;
    word.clear();
  };
  each_character(text, [&](std::string_view character) {
    if (is_word_character(code_point_of(character))) {
      word += character;
      return;
    }
    end_word();
    out += character;
  });
  end_word();
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  each_character(text, [&](std::string_view character) {
    if (!is_space_character(code_point_of(character))) {
      word += character;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  });
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

// Of two texts in normal form; 0 when they share no word.
double word_f1(std::string_view gold, std::string_view said) {
  const auto gold_words = words_of(gold);
  const auto said_words = words_of(said);
  std::map<std::string, int> left;
  for (const auto& word : gold_words) ++left[word];
  int same = 0;
  for (const auto& word : said_words) {
    const auto found = left.find(word);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++same;
  }
  if (same == 0) return 0.0;
  const double precision = static_cast<double>(same) / static_cast<double>(said_words.size());
  const double recall = static_cast<double>(same) / static_cast<double>(gold_words.size());
  return 2.0 * precision * recall / (precision + recall);
}

double squad_f1(const std::string& gold, const std::string& said) {
  if (gold.empty() || said.empty()) return gold == said ? 1.0 : 0.0;
  return word_f1(gold, said);
}

double hotpotqa_f1(const std::string& gold, const std::string& said) {
  constexpr std::array<std::string_view, 3> kWhole = {"yes", "no", "noanswer"};
  const auto is_whole = [&](const std::string& text) {
    return std::find(kWhole.begin(), kWhole.end(), text) != kWhole.end();
  };
  if ((is_whole(gold) || is_whole(said)) && gold != said) return 0.0;
  return word_f1(gold, said);
}

double triviaqa_f1(const std::string& gold, const std::string& said) { return word_f1(gold, said); }

double equal(const std::string& gold, const std::string& said) { return gold == said ? 1.0 : 0.0; }

using Compare = double (*)(const std::string& gold, const std::string& said);

double best_over(const std::vector<std::string>& golds, std::string_view said, NormalForm normal,
                 Compare compare) {
  const std::string normal_said = normal(said);
  double best = 0.0;
  for (const auto& gold : golds) best = std::max(best, compare(normal(gold), normal_said));
  return best;
}

// Those that are something in normal form; if there is none, the one that is nothing.
std::vector<std::string> squad_golds(const EvaluationItem& item) {
  std::vector<std::string> golds;
  for (const auto& answer : item.answers) {
    if (!squad_normal_form(answer).empty()) golds.push_back(answer);
  }
  if (golds.empty()) golds.emplace_back();
  return golds;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

std::string squad_normal_form(std::string_view text) {
  std::string kept;
  each_character(lowercase(text), [&](std::string_view character) {
    if (!is_ascii_punctuation(character)) kept += character;
  });
  return joined(words_of(without_articles(kept)));
}

std::string triviaqa_normal_form(std::string_view text) {
  std::string kept;
  each_character(lowercase(text), [&](std::string_view character) {
    const bool is_mark =
        is_ascii_punctuation(character) || character == "‘" || character == "’" || character == "´";
    kept += is_mark ? " " : character;
  });
  return joined(words_of(without_articles(kept)));
}

double squad_score(const EvaluationItem& item, std::string_view said) {
  return best_over(squad_golds(item), said, squad_normal_form, squad_f1);
}

double hotpotqa_score(const EvaluationItem& item, std::string_view said) {
  return best_over(item.answers, said, squad_normal_form, hotpotqa_f1);
}

double triviaqa_score(const EvaluationItem& item, std::string_view said) {
  return best_over(item.answers, said, triviaqa_normal_form, triviaqa_f1);
}

double choice_score(const EvaluationItem& item, std::string_view said) {
  return !item.answers.empty() && trimmed(item.answers[0]) == trimmed(said) ? 1.0 : 0.0;
}

double needle_score(const EvaluationItem& item, std::string_view said) {
  if (item.answers.empty()) return 0.0;
  const std::string lower_said = lowercase(said);
  double found = 0.0;
  for (const auto& answer : item.answers) {
    if (lower_said.find(lowercase(trimmed(answer))) != std::string::npos) found += 1.0;
  }
  return found / static_cast<double>(item.answers.size());
}

double exact_match(const EvaluationItem& item, std::string_view said) {
  if (item.task == "needle") return needle_score(item, said);
  if (!item.choices.empty()) return choice_score(item, said);
  if (item.task == "triviaqa") return best_over(item.answers, said, triviaqa_normal_form, equal);
  if (item.task == "hotpotqa") return best_over(item.answers, said, squad_normal_form, equal);
  return best_over(squad_golds(item), said, squad_normal_form, equal);
}

}  // namespace sluice::runtime
