// SPDX-License-Identifier: Apache-2.0
// Texts to calibrate with: passages, each with a question and its answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

struct Passage {
  std::string text;
  std::string question;  // may be empty, like the answer
  std::string answer;
};

// Parts begin with the lines "=== passage", "=== question" and "=== answer"; blanks around a part
// are not of it. A text without such lines is one passage. kInvalidArgument names the line of a
// question or answer without a passage, or of a passage without text.
Result<std::vector<Passage>> parse_passages(std::string_view text);

}  // namespace sluice::runtime
