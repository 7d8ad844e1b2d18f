// SPDX-License-Identifier: Apache-2.0
// What a model is asked, and what it should answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::runtime {

struct EvaluationItem {
  std::string task;  // "squad"
  std::string id;    // unique within its task and the same in every run
  // What the user says, ending with `question`; the model's chat template goes around it.
  std::string prompt;
  std::string question;
  // Given to the model after the template; may be empty. The likelihood of the answer and the
  // model's own answer both begin after it.
  std::string answer_start;
  // Gold answers, at least one; the first one's likelihood is measured.
  std::vector<std::string> answers;
  // Multiple choice: the letters to choose from, and `answers` holds the right one. Else empty.
  std::vector<std::string> choices;
  // Where a needle lies; 0 for other tasks.
  std::int64_t length = 0;  // of the haystack, in tokens, as asked for
  double depth = 0.0;       // 0: at the beginning; 1: at the end
  std::int64_t keys = 0;
};

}  // namespace sluice::runtime
