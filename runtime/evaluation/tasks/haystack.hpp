// SPDX-License-Identifier: Apache-2.0
// Sentences that fill a given number of tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/evaluation/tasks/seeded_random.hpp"
#include "runtime/evaluation/tasks/squad_file.hpp"

namespace sluice::runtime {

using CountTokens = std::function<std::int64_t(std::string_view)>;

class Haystack {
 public:
  Haystack(const std::vector<SquadArticle>& articles, const CountTokens& count_tokens);

  bool is_empty() const { return sentences_.empty(); }

  // Sentences in a random order whose tokens, as they count when they follow others, are at most
  // `tokens`: as many as fit, then those that fill the rest best.
  std::vector<std::string> draw(std::int64_t tokens, SeededRandom& random) const;

 private:
  struct Sentence {
    std::string text;
    std::int64_t tokens;
  };
  std::vector<Sentence> sentences_;
};

// Ends after a full stop, question mark or exclamation mark and its closing marks, before a space
// and a capital letter or digit. Without those too short or too long to be a sentence.
std::vector<std::string> sentences_of(std::string_view text);

}  // namespace sluice::runtime
