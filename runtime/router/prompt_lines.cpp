// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/prompt_lines.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "runtime/telemetry/timeline_json.hpp"

namespace sluice::runtime {
namespace {

Error bad_line(std::size_t number, const char* why) {
  return make_error(ErrorCode::kInvalidArgument,
                    "line " + std::to_string(number) + " of the prompts " + why);
}

Status parse_prompt(const nlohmann::json& value, std::size_t number, PromptLine& prompt) {
  if (value.is_string()) {
    prompt.text = value.get<std::string>();
    if (prompt.text.empty()) return bad_line(number, "is an empty prompt");
    return {};
  }
  if (!value.is_array()) return bad_line(number, "is neither a JSON string nor an array of ids");
  for (const auto& id : value) {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 ||
        id.get<std::int64_t>() > std::numeric_limits<TokenId>::max()) {
      return bad_line(number, "has an element that is no token id");
    }
    prompt.tokens.push_back(id.get<TokenId>());
  }
  if (prompt.tokens.empty()) return bad_line(number, "is an empty prompt");
  return {};
}

Result<PromptLine> parse_line(std::string_view line, std::size_t number) {
  const auto value = nlohmann::json::parse(line, nullptr, false);
  PromptLine prompt;
  if (!value.is_object()) {
    SLUICE_TRY(parse_prompt(value, number, prompt));
    return prompt;
  }
  if (!value.contains("prompt")) return bad_line(number, "is an object without \"prompt\"");
  for (const auto& [key, item] : value.items()) {
    if (key == "prompt") {
      SLUICE_TRY(parse_prompt(item, number, prompt));
    } else if (key == "pipeline") {
      if (!item.is_string()) return bad_line(number, "has a \"pipeline\" that is no string");
      prompt.pipeline = item.get<std::string>();
    } else if (key == "question_tokens") {
      if (!item.is_number_integer() || item.get<std::int64_t>() < 0) {
        return bad_line(number, "has a \"question_tokens\" that is no number of tokens");
      }
      prompt.question_tokens = item.get<std::int64_t>();
    } else {
      return bad_line(number, "has a key besides \"prompt\", \"pipeline\" and \"question_tokens\"");
    }
  }
  return prompt;
}

}  // namespace

Result<std::vector<PromptLine>> parse_prompt_lines(std::string_view text) {
  std::vector<PromptLine> prompts;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    prompts.push_back(SLUICE_TRY(parse_line(line, number)));
  }
  if (prompts.empty()) return make_error(ErrorCode::kInvalidArgument, "the prompts file is empty");
  return prompts;
}

std::string answer_line(std::span<const TokenId> tokens, const std::string& text,
                        const RequestTimeline& timeline) {
  nlohmann::ordered_json line;
  line["tokens"] = std::vector<TokenId>(tokens.begin(), tokens.end());
  line["text"] = text;
  line["timeline"] = nlohmann::ordered_json::parse(timeline_json(timeline));
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::runtime
