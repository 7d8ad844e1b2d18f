// SPDX-License-Identifier: Apache-2.0
// Files of prompts and answers, one JSON value a line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/telemetry/timeline.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

// Text, or token ids as they are (then no template and no special tokens are added).
struct PromptLine {
  std::string text;
  std::vector<TokenId> tokens;
  std::string pipeline;              // a preset's name; empty: not said
  std::int64_t question_tokens = 0;  // at the prompt's end; 0: not said
};

// A line is a JSON string, an array of integers, or an object with one of these as "prompt" and
// perhaps "pipeline" and "question_tokens"; empty lines are passed over. kInvalidArgument names the
// line that is something else, or empty, or when there is none at all.
Result<std::vector<PromptLine>> parse_prompt_lines(std::string_view text);

// {"tokens": [...], "text": "...", "timeline": {...}} and a newline. Bytes of `text` that are not
// UTF-8 become U+FFFD; the token ids are exact.
std::string answer_line(std::span<const TokenId> tokens, const std::string& text,
                        const RequestTimeline& timeline);

}  // namespace sluice::runtime
