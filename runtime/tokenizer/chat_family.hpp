// SPDX-License-Identifier: Apache-2.0
// The chat templates that we know: by the name of their family, and by their text's fingerprint.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::runtime {

enum class ChatStyle : std::uint8_t {
  kChatml,  // <|im_start|>role\ncontent<|im_end|>\n
  kYi,      // ChatML whose user turn opens the answer, with the system text before it all
  kLlama3,  // <|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|>
  kLlama2,  // [INST] <<SYS>> .. <</SYS>> content [/INST]
  kMistral,
};

struct ChatFamily {
  std::string_view name;
  ChatStyle style;
  // kChatml: the system message of a chat that has none; empty: no such message.
  std::string_view default_system{};
  // kLlama3: what the system message, always there, begins with; empty: no such message.
  std::string_view system_preamble{};
  // kMistral: what surrounds the content of a turn, and whether a system message is allowed.
  std::string_view instruction_begin{};
  std::string_view instruction_end{};
  std::string_view answer_begin{};
  std::string_view answer_end{};
  bool trims_answer = false;
  bool takes_system = false;
};

// Null for a name that is none of ours.
const ChatFamily* find_chat_family(std::string_view name);

// The family whose published template has this fingerprint; null when none has.
const ChatFamily* find_chat_family_by_fingerprint(std::uint64_t fingerprint);

// FNV-1a (Fowler, Noll, Vo) of a template's text, without a line end at its very end, and with the
// escape \n as the line end that it means: files differ in how they write it.
std::uint64_t chat_template_fingerprint(std::string_view jinja);

// The names, for an error message.
std::string chat_family_names();

}  // namespace sluice::runtime
