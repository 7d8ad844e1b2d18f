// SPDX-License-Identifier: Apache-2.0
#include "launch/prompt_text.hpp"

#include <fstream>
#include <iterator>

#include "runtime/tokenizer/chat_template.hpp"
#include "runtime/tokenizer/utf8.hpp"

namespace sluice::launch {

Result<std::string> read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    return make_error(ErrorCode::kNotFound, "the file " + path.string() + " cannot be read");
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<std::string> read_prompt(const std::filesystem::path& path) {
  std::string text = SLUICE_TRY(read_text(path));
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    return make_error(ErrorCode::kInvalidArgument, "the prompt in " + path.string() + " is empty");
  }
  if (runtime::utf8_valid_run_bytes(text, 0) != text.size()) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the prompt in " + path.string() + " is not UTF-8 text");
  }
  return text;
}

Result<std::vector<runtime::TokenId>> encode_prompt(const LoadedModel& model,
                                                    const std::string& text, bool raw) {
  if (raw) return model.tokenizer->encode(text);
  const runtime::ChatMessage message{"user", text};
  const std::string chat =
      SLUICE_TRY(runtime::render_chat(model.chat_template(), {&message, 1}, true));
  return model.tokenizer->encode(chat, {.add_special = false, .parse_special = true});
}

}  // namespace sluice::launch
