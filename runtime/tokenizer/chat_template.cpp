// SPDX-License-Identifier: Apache-2.0
// Each style is the published template of its family, without the parts about tools, which no
// ChatMessage can have.
#include "runtime/tokenizer/chat_template.hpp"

#include <utility>

#include "runtime/tokenizer/chat_family.hpp"
#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {
namespace {

using Messages = std::span<const ChatMessage>;

Error invalid(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, std::move(message));
}

// What Python's str.strip() takes away.
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_character_bytes(text, 0);
    if (size == 0 || !is_python_space(utf8_code_point(text.substr(0, size)))) break;
    text.remove_prefix(size);
  }
  while (!text.empty()) {
    std::size_t size = 1;
    while (size < 4 && size < text.size() && utf8_character_bytes(text, text.size() - size) == 0) {
      ++size;
    }
    const std::size_t at = text.size() - size;
    if (utf8_character_bytes(text, at) != size ||
        !is_python_space(utf8_code_point(text.substr(at)))) {
      break;
    }
    text.remove_suffix(size);
  }
  return text;
}

// Appends parts of different string types without temporaries.
template <class... Parts>
void append(std::string& out, const Parts&... parts) {
  (out.append(std::string_view(parts)), ...);
}

std::string render_chatml(const ChatFamily& family, Messages messages, bool opens_answer) {
  std::string out;
  if (!family.default_system.empty() && messages[0].role != "system") {
    append(out, "<|im_start|>system\n", family.default_system, "<|im_end|>\n");
  }
  for (const auto& message : messages) {
    append(out, "<|im_start|>", message.role, "\n", message.content, "<|im_end|>\n");
  }
  if (opens_answer) append(out, "<|im_start|>assistant\n");
  return out;
}

// The template opens the answer after each user's turn, whether asked to or not.
Result<std::string> render_yi(Messages messages) {
  std::string out;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    if (role == "user") {
      append(out, "<|im_start|>user\n", content, "<|im_end|>\n<|im_start|>assistant\n");
    } else if (role == "assistant") {
      append(out, content, "<|im_end|>\n");
    } else if (role == "system" && i == 0) {
      append(out, content);
    } else {
      return invalid("This chat template takes no message of the role \"" + role + "\" here.");
    }
  }
  return out;
}

std::string render_llama3(const ChatFamily& family, Messages messages, bool opens_answer) {
  std::string out = "<|begin_of_text|>";
  const auto turn = [&](std::string_view role, std::string_view preamble,
                        std::string_view content) {
    append(out, "<|start_header_id|>", role, "<|end_header_id|>\n\n", preamble, strip(content),
           "<|eot_id|>");
  };
  if (!family.system_preamble.empty()) {
    const bool has_system = messages[0].role == "system";
    turn("system", family.system_preamble, has_system ? messages[0].content : std::string());
    if (has_system) messages = messages.subspan(1);
  }
  for (const auto& message : messages) turn(message.role, "", message.content);
  if (opens_answer) append(out, "<|start_header_id|>assistant<|end_header_id|>\n\n");
  return out;
}

// user, assistant, user, ...: what the templates of the [INST] families raise an exception about.
Status check_alternation(Messages messages) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const char* expected = i % 2 == 0 ? "user" : "assistant";
    if (messages[i].role == expected) continue;
    return invalid("This chat template wants the roles user and assistant in turn, but message " +
                   std::to_string(i + 1) + " (after an optional system message) is of the role \"" +
                   messages[i].role + "\".");
  }
  return {};
}

Result<std::string> render_llama2(Messages messages) {
  std::string system;
  if (messages[0].role == "system") {
    append(system, "<<SYS>>\n", messages[0].content, "\n<</SYS>>\n\n");
    messages = messages.subspan(1);
  }
  SLUICE_TRY(check_alternation(messages));
  std::string out;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    std::string content = i == 0 ? system : std::string();
    content += messages[i].content;
    if (messages[i].role == "user") {
      append(out, "<s>[INST] ", strip(content), " [/INST]");
    } else {
      append(out, " ", strip(content), " </s>");
    }
  }
  return out;
}

Result<std::string> render_mistral(const ChatFamily& family, Messages messages) {
  const std::string* system = nullptr;
  if (family.takes_system && messages[0].role == "system") {
    system = &messages[0].content;
    messages = messages.subspan(1);
  }
  SLUICE_TRY(check_alternation(messages));
  std::string out = "<s>";
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    if (role == "user") {
      append(out, family.instruction_begin);
      // The system message goes with the last turn, if that is the user's.
      if (system != nullptr && i + 1 == messages.size()) append(out, *system, "\n\n");
      append(out, content, family.instruction_end);
    } else {
      const std::string_view answer = family.trims_answer ? strip(content) : content;
      append(out, family.answer_begin, answer, family.answer_end);
    }
  }
  return out;
}

Result<const ChatFamily*> recognise(std::string_view chat_template) {
  const ChatFamily* family = find_chat_family(chat_template);
  if (family == nullptr) {
    family = find_chat_family_by_fingerprint(chat_template_fingerprint(chat_template));
  }
  if (family != nullptr) return family;
  const std::string what = chat_template.empty() ? "The model has no chat template"
                                                 : "The model's chat template is not one we know";
  return make_error(ErrorCode::kUnsupported,
                    what +
                        "; set model.chat_template in the configuration to the family that it "
                        "follows: " +
                        chat_family_names() + ".");
}

}  // namespace

Result<std::string> render_chat(std::string_view chat_template, Messages messages,
                                bool add_generation_prompt) {
  const ChatFamily* family = SLUICE_TRY(recognise(chat_template));
  if (messages.empty()) return invalid("A chat needs at least one message.");
  for (const auto& message : messages) {
    if (message.role == "system" || message.role == "user" || message.role == "assistant") continue;
    return invalid("A message's role is \"" + message.role +
                   "\"; it must be system, user or assistant.");
  }
  switch (family->style) {
    case ChatStyle::kChatml:
      return render_chatml(*family, messages, add_generation_prompt);
    case ChatStyle::kYi:
      return render_yi(messages);
    case ChatStyle::kLlama3:
      return render_llama3(*family, messages, add_generation_prompt);
    case ChatStyle::kLlama2:
      return render_llama2(messages);
    case ChatStyle::kMistral:
      return render_mistral(*family, messages);
  }
  return make_error(ErrorCode::kInternal, "A chat family has no style.");
}

}  // namespace sluice::runtime
