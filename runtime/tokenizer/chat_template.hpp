// SPDX-License-Identifier: Apache-2.0
// Chat messages to prompt text, for the templates we know exactly; another is an error, not a
// guess.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// `chat_template`: the model's Jinja text, recognised by its fingerprint, or the name of a family
// (chat_family.cpp has the list) given in the configuration. The text is to be encoded with
// add_special = false, parse_special = true. kUnsupported for an unknown template, kInvalidArgument
// for messages that the template does not take.
Result<std::string> render_chat(std::string_view chat_template,
                                std::span<const ChatMessage> messages, bool add_generation_prompt);

}  // namespace sluice::runtime
