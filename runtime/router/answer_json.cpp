// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/answer_json.hpp"

#include <nlohmann/json.hpp>

namespace sluice::runtime {
namespace {

using Json = nlohmann::ordered_json;

// A model may write bytes that are no characters; they become U+FFFD.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json finish_json(FinishReason finish) {
  switch (finish) {
    case FinishReason::kNone:
      return nullptr;
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "abort";
  }
  return nullptr;
}

Json usage_object(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

Json head_object(const AnswerHead& head, bool is_chunk) {
  const char* kind = "text_completion";
  if (head.is_chat) kind = is_chunk ? "chat.completion.chunk" : "chat.completion";
  return {{"id", head.id}, {"object", kind}, {"created", head.created_s}, {"model", head.model}};
}

const char* error_type(int status) {
  if (status == 429) return "rate_limit_error";
  if (status == 503 || status == 504) return "service_unavailable_error";
  return status < 500 ? "invalid_request_error" : "internal_error";
}

}  // namespace

std::string answer_json(const AnswerHead& head, const AnswerPiece& answer, const Usage& usage,
                        const std::string& timings) {
  Json json = head_object(head, false);
  Json choice = {{"index", 0}};
  if (head.is_chat) {
    choice["message"] = {{"role", "assistant"}, {"content", answer.text}};
  } else {
    choice["text"] = answer.text;
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish_json(answer.finish);
  json["choices"] = Json::array({choice});
  json["usage"] = usage_object(usage);
  if (!timings.empty()) json["timings"] = Json::parse(timings);
  return dump(json);
}

std::string chunk_json(const AnswerHead& head, const AnswerPiece& piece, bool is_first,
                       const std::optional<Usage>& usage, const std::string& timings) {
  Json json = head_object(head, true);
  Json choice = {{"index", 0}};
  if (head.is_chat) {
    Json delta = Json::object();
    if (is_first) delta["role"] = "assistant";
    delta["content"] = piece.text;
    choice["delta"] = delta;
  } else {
    choice["text"] = piece.text;
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish_json(piece.finish);
  json["choices"] = Json::array({choice});
  if (usage) json["usage"] = usage_object(*usage);
  if (!timings.empty()) json["timings"] = Json::parse(timings);
  return dump(json);
}

std::string usage_json(const AnswerHead& head, const Usage& usage) {
  Json json = head_object(head, true);
  json["choices"] = Json::array();
  json["usage"] = usage_object(usage);
  return dump(json);
}

std::string models_json(const ModelInfo& model, std::int64_t created_s) {
  const Json entry = {{"id", model.name},
                      {"object", "model"},
                      {"created", created_s},
                      {"owned_by", "sluice"},
                      {"max_model_len", model.context_tokens}};
  return dump({{"object", "list"}, {"data", Json::array({entry})}});
}

std::string tokens_json(std::span<const TokenId> tokens, const ModelInfo& model) {
  Json list = Json::array();
  for (const TokenId token : tokens) list.push_back(token);
  return dump(
      {{"count", tokens.size()}, {"max_model_len", model.context_tokens}, {"tokens", list}});
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kCorrupt:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kResourceExhausted:
      return 429;
    case ErrorCode::kUnavailable:
    case ErrorCode::kCancelled:
      return 503;
    case ErrorCode::kTimeout:
      return 504;
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

std::string error_json(int status, const Error& error) {
  std::string code = error_code_name(error.code);
  for (char& letter : code) {
    if (letter == ' ') letter = '_';
  }
  return dump(
      {{"error", {{"message", error.message}, {"type", error_type(status)}, {"code", code}}}});
}

}  // namespace sluice::runtime
