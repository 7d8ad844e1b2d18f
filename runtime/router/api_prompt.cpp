// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/api_prompt.hpp"

#include "runtime/tokenizer/chat_template.hpp"

namespace sluice::runtime {
namespace {

Result<std::vector<TokenId>> prompt_text(const std::string& text, const Tokenizer& tokenizer,
                                         const ModelInfo& model, bool add_special) {
  if (text.empty()) return bad_request("\"prompt\" is empty");
  SLUICE_TRY(check_prompt_bytes(text, tokenizer, model));
  return tokenizer.encode(text, {.add_special = add_special, .parse_special = true});
}

Result<std::vector<TokenId>> prompt_ids(const Json& list, const Tokenizer& tokenizer) {
  if (list.empty()) return bad_request("\"prompt\" is empty");
  std::vector<TokenId> ids;
  ids.reserve(list.size());
  for (const Json& item : list) {
    if (!item.is_number_integer()) {
      return bad_request("\"prompt\" must be a string or a list of token ids");
    }
    // A negative number is not unsigned in this library, so both ends are checked.
    const bool is_id =
        item.is_number_unsigned() &&
        item.get<std::uint64_t>() < static_cast<std::uint64_t>(tokenizer.vocab_size());
    if (!is_id) {
      return bad_request("\"prompt\" has the token id " + item.dump() + ", but ids go from 0 to " +
                         std::to_string(tokenizer.vocab_size() - 1));
    }
    ids.push_back(item.get<TokenId>());
  }
  return ids;
}

Result<std::string> message_content(const Json& content, const std::string& where) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    return bad_request(where + ".content must be a string or a list of text parts");
  }
  std::string text;
  for (const Json& part : content) {
    const bool is_text = part.is_object() && part.value("type", Json()) == "text" &&
                         part.contains("text") && part["text"].is_string();
    if (!is_text) {
      return make_error(ErrorCode::kUnsupported, where +
                                                     ".content may only have parts of the form "
                                                     "{\"type\": \"text\", \"text\": \"...\"}");
    }
    text += part["text"].get<std::string>();
  }
  return text;
}

Result<ChatMessage> read_message(const Json& item, const std::string& where) {
  if (!item.is_object()) return bad_request(where + " must be an object");
  ApiBody message(item, where + ".");
  const auto role = SLUICE_TRY(message.text("role"));
  if (!role) return bad_request(where + ".role is missing");
  if (*role != "system" && *role != "user" && *role != "assistant") {
    return make_error(ErrorCode::kUnsupported,
                      where + ".role must be \"system\", \"user\" or \"assistant\"");
  }
  const Json* const content = message.find("content");
  if (content == nullptr) return bad_request(where + ".content is missing");
  // Names are for the client's own use: the templates we know have no place for them.
  SLUICE_TRY(message.text("name"));
  SLUICE_TRY(message.end());
  std::string text = SLUICE_TRY(message_content(*content, where));
  return ChatMessage{*role, std::move(text)};
}

}  // namespace

Status check_prompt_bytes(const std::string& text, const Tokenizer& tokenizer,
                          const ModelInfo& model) {
  const std::int64_t tokens_min = tokenizer.tokens_min(text);
  if (tokens_min <= model.context_tokens) return {};
  return bad_request("the prompt has " + std::to_string(text.size()) +
                     " bytes, which are at least " + std::to_string(tokens_min) +
                     " tokens, but the context of \"" + model.name + "\" is " +
                     std::to_string(model.context_tokens) + " tokens");
}

Result<std::vector<TokenId>> read_prompt(ApiBody& body, const Tokenizer& tokenizer,
                                         const ModelInfo& model, bool add_special) {
  const Json* prompt = body.find("prompt");
  if (prompt == nullptr) return bad_request("\"prompt\" is missing");
  const auto is_nested = [&] {
    return prompt->is_array() && !prompt->empty() &&
           (prompt->front().is_string() || prompt->front().is_array());
  };
  if (is_nested()) {
    if (prompt->size() != 1) {
      return make_error(ErrorCode::kUnsupported,
                        "\"prompt\" has " + std::to_string(prompt->size()) +
                            " prompts, but a request has one; send a request for each");
    }
    prompt = &prompt->front();
  }
  if (prompt->is_string()) {
    return prompt_text(prompt->get_ref<const std::string&>(), tokenizer, model, add_special);
  }
  if (prompt->is_array()) return prompt_ids(*prompt, tokenizer);
  return bad_request("\"prompt\" must be a string or a list of token ids");
}

Result<std::vector<TokenId>> read_messages(ApiBody& body, const Tokenizer& tokenizer,
                                           const ModelInfo& model) {
  const Json* const list = body.find("messages");
  if (list == nullptr) return bad_request("\"messages\" is missing");
  if (!list->is_array()) return bad_request("\"messages\" must be a list");
  if (list->empty()) return bad_request("\"messages\" is empty");
  std::vector<ChatMessage> messages;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string where = std::string("messages[").append(std::to_string(i)).append("]");
    messages.push_back(SLUICE_TRY(read_message((*list)[i], where)));
  }
  if (model.chat_template.empty()) {
    return make_error(ErrorCode::kUnsupported,
                      "the model \"" + model.name + "\" has no chat template; use /v1/completions");
  }
  const std::string text = SLUICE_TRY(render_chat(model.chat_template, messages, true));
  SLUICE_TRY(check_prompt_bytes(text, tokenizer, model));
  return tokenizer.encode(text, {.add_special = false, .parse_special = true});
}

}  // namespace sluice::runtime
