// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/api_request.hpp"

#include <algorithm>
#include <limits>

#include "runtime/router/api_prompt.hpp"

namespace sluice::runtime {
namespace {

// As the API that clients expect has it.
constexpr std::int64_t kCompletionTokensDefault = 16;
constexpr double kTemperatureDefault = 1.0;
constexpr double kTemperatureMax = 100.0;
// Stop strings are searched for after every token.
constexpr std::size_t kStopsMax = 16;
constexpr std::size_t kStopBytesMax = 1024;
constexpr std::size_t kClassBytesMax = 64;
constexpr double kKlMax = 100.0;  // nats per token: nothing is left of the answer

Status read_stops(ApiBody& body, std::vector<std::string>& stops) {
  const Json* const value = body.find("stop");
  if (value == nullptr) return {};
  const Json list = value->is_array() ? *value : Json::array({*value});
  if (list.size() > kStopsMax) {
    return bad_request("\"stop\" may have at most " + std::to_string(kStopsMax) + " strings");
  }
  for (const Json& item : list) {
    if (!item.is_string()) return bad_request("\"stop\" must be a string or a list of strings");
    const auto& text = item.get_ref<const std::string&>();
    if (text.empty()) return bad_request("\"stop\" has an empty string");
    if (text.size() > kStopBytesMax) {
      return bad_request("\"stop\" has a string of more than " + std::to_string(kStopBytesMax) +
                         " bytes");
    }
    stops.push_back(text);
  }
  return {};
}

Status read_sampling(ApiBody& body, std::uint64_t random_seed, SamplingOptions& sampling) {
  sampling.temperature =
      SLUICE_TRY(body.number("temperature", kTemperatureDefault, 0, kTemperatureMax));
  sampling.top_p = SLUICE_TRY(body.number("top_p", 1.0, 0, 1.0));
  if (sampling.top_p == 0) return bad_request("\"top_p\" must be more than 0");
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  // -1 is another way that clients write "all".
  const auto top_k = SLUICE_TRY(body.integer("top_k", -1, most));
  sampling.top_k = std::max<std::int64_t>(top_k.value_or(0), 0);
  const auto seed = SLUICE_TRY(body.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                            std::numeric_limits<std::int64_t>::max()));
  sampling.seed = seed ? static_cast<std::uint64_t>(*seed) : random_seed;
  return {};
}

// What we do not do, with the values that mean it is not wanted.
Status refuse_unsupported(ApiBody& body, bool is_chat) {
  struct Row {
    const char* key;
    std::vector<Json> off;
  };
  const Row rows[] = {
      {"n", {1}},
      {"best_of", {1}},
      {"echo", {false}},
      {"logprobs", is_chat ? std::vector<Json>{false} : std::vector<Json>{}},
      {"top_logprobs", {0}},
      {"prompt_logprobs", {}},
      {"suffix", {""}},
      {"presence_penalty", {0}},
      {"frequency_penalty", {0}},
      {"repetition_penalty", {1}},
      {"min_p", {0}},
      {"logit_bias", {Json::object()}},
      {"stop_token_ids", {Json::array()}},
      {"skip_special_tokens", {true}},
      {"response_format", {Json{{"type", "text"}}}},
      {"tools", {Json::array()}},
      {"tool_choice", {"none", "auto"}},
      {"parallel_tool_calls", {true, false}},
      {"add_generation_prompt", {true}},
      {"store", {false}},
  };
  for (const Row& row : rows) SLUICE_TRY(body.only(row.key, row.off));
  // Labels for bookkeeping: they change no answer.
  body.ignore({"user", "metadata", "safety_identifier", "prompt_cache_key", "service_tier"});
  return {};
}

Status read_model(ApiBody& body, const ModelInfo& model) {
  const auto name = SLUICE_TRY(body.text("model"));
  if (name && *name != model.name) {
    return make_error(ErrorCode::kNotFound, "there is no model \"" + shortened(*name) +
                                                "\"; this server has \"" + model.name + "\"");
  }
  return {};
}

Status read_stream(ApiBody& body, ApiRequest& request) {
  request.stream = SLUICE_TRY(body.flag("stream", false));
  const Json* const value = body.find("stream_options");
  if (value == nullptr) return {};
  if (!request.stream) return bad_request("\"stream_options\" needs \"stream\": true");
  if (!value->is_object()) return bad_request("\"stream_options\" must be an object");
  ApiBody options(*value, "stream_options.");
  request.include_usage = SLUICE_TRY(options.flag("include_usage", false));
  request.include_usage_always = SLUICE_TRY(options.flag("continuous_usage_stats", false));
  // Random bytes against traffic analysis; every answer is as long as it is.
  SLUICE_TRY(options.only("include_obfuscation", {false}));
  return options.end();
}

// The answer's length: as asked, else `otherwise`, else (chat) all that the context has left.
Status read_length(ApiBody& body, const ModelInfo& model, ApiRequest& request) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  auto asked = SLUICE_TRY(body.integer("max_tokens", 1, most));
  if (request.is_chat) {
    const auto newer = SLUICE_TRY(body.integer("max_completion_tokens", 1, most));
    if (newer) asked = newer;
  }
  const auto prompt = static_cast<std::int64_t>(request.generate.prompt.size());
  const std::int64_t left = model.context_tokens - prompt;
  const std::string context = "the context of \"" + model.name + "\" is " +
                              std::to_string(model.context_tokens) + " tokens";
  if (left < 1) {
    return bad_request("the prompt has " + std::to_string(prompt) + " tokens, but " + context +
                       ", answer included");
  }
  std::int64_t otherwise = left;
  if (!request.is_chat) otherwise = std::min(left, kCompletionTokensDefault);
  request.generate.tokens_max = asked.value_or(otherwise);
  if (request.generate.tokens_max > left) {
    return bad_request("the prompt has " + std::to_string(prompt) +
                       " tokens and the answer may have " +
                       std::to_string(request.generate.tokens_max) + ", but " + context);
  }
  return {};
}

// Nothing but the end token and stop strings ends an answer early. Where neither may, the answer
// has `tokens_max` tokens, and a minimum below that changes nothing. Benchmarks send it so.
Status read_length_min(ApiBody& body, const ApiRequest& request) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  const auto least = SLUICE_TRY(body.integer("min_tokens", 0, most)).value_or(0);
  if (least > request.generate.tokens_max) {
    return bad_request("\"min_tokens\" is " + std::to_string(least) +
                       ", but the answer may have at most " +
                       std::to_string(request.generate.tokens_max) + " tokens");
  }
  if (least == 0 || (request.generate.ignore_end && request.stops.empty())) return {};
  return make_error(ErrorCode::kUnsupported,
                    "\"min_tokens\" is not supported, except as 0 or with \"ignore_eos\": true and "
                    "no \"stop\"");
}

// How the prompt's cache goes to the decode worker, where the cluster's own way is not wanted.
Status read_pipeline(ApiBody& body, const ModelInfo& model, GenerateRequest& generate) {
  const auto prompt = static_cast<std::int64_t>(generate.prompt.size());
  generate.question_tokens = SLUICE_TRY(body.integer("question_tokens", 0, prompt)).value_or(0);
  generate.pipeline = SLUICE_TRY(body.text("pipeline")).value_or("");
  if (generate.pipeline.empty()) return {};
  if (!model.check_pipeline) return bad_request("\"pipeline\" cannot be chosen here");
  if (const Status known = model.check_pipeline(generate.pipeline); !known) {
    return bad_request("\"pipeline\": " + known.error().message);
  }
  return {};
}

// What the request's user expects; whether there is such a class, the generator says.
Status read_objective(ApiBody& body, GenerateRequest& generate) {
  generate.slo_class = SLUICE_TRY(body.text("slo_class")).value_or("");
  if (generate.slo_class.size() > kClassBytesMax) {
    return bad_request("\"slo_class\" has more than " + std::to_string(kClassBytesMax) + " bytes");
  }
  const double kl_max = SLUICE_TRY(body.number("kl_max", -1.0, 0.0, kKlMax));
  // 0 asks for no loss at all; in a GenerateRequest it says that nothing was asked.
  if (kl_max >= 0.0) generate.kl_max = std::max(kl_max, std::numeric_limits<double>::min());
  return {};
}

Result<ApiRequest> finish_request(ApiBody& body, const ModelInfo& model, std::uint64_t random_seed,
                                  ApiRequest request) {
  SLUICE_TRY(read_stream(body, request));
  SLUICE_TRY(read_length(body, model, request));
  SLUICE_TRY(read_pipeline(body, model, request.generate));
  SLUICE_TRY(read_objective(body, request.generate));
  SLUICE_TRY(read_stops(body, request.stops));
  SLUICE_TRY(read_sampling(body, random_seed, request.generate.sampling));
  request.generate.ignore_end = SLUICE_TRY(body.flag("ignore_eos", false));
  request.timings = SLUICE_TRY(body.flag("timings", false));
  SLUICE_TRY(read_length_min(body, request));
  SLUICE_TRY(refuse_unsupported(body, request.is_chat));
  SLUICE_TRY(body.end());
  return request;
}

}  // namespace

Result<ApiRequest> parse_completion_request(const std::string& body, const Tokenizer& tokenizer,
                                            const ModelInfo& model, std::uint64_t random_seed) {
  ApiBody object = SLUICE_TRY(ApiBody::parse(body));
  SLUICE_TRY(read_model(object, model));
  ApiRequest request;
  const bool add_special = SLUICE_TRY(object.flag("add_special_tokens", true));
  request.generate.prompt = SLUICE_TRY(read_prompt(object, tokenizer, model, add_special));
  return finish_request(object, model, random_seed, std::move(request));
}

Result<ApiRequest> parse_chat_request(const std::string& body, const Tokenizer& tokenizer,
                                      const ModelInfo& model, std::uint64_t random_seed) {
  ApiBody object = SLUICE_TRY(ApiBody::parse(body));
  SLUICE_TRY(read_model(object, model));
  ApiRequest request;
  request.is_chat = true;
  request.generate.prompt = SLUICE_TRY(read_messages(object, tokenizer, model));
  return finish_request(object, model, random_seed, std::move(request));
}

Result<std::vector<TokenId>> parse_tokenize_request(const std::string& body,
                                                    const Tokenizer& tokenizer,
                                                    const ModelInfo& model) {
  ApiBody object = SLUICE_TRY(ApiBody::parse(body));
  SLUICE_TRY(read_model(object, model));
  // Tokens are counted to learn whether a text fits, so one that does not is no error.
  ModelInfo any_length = model;
  any_length.context_tokens = std::numeric_limits<std::int64_t>::max();
  std::vector<TokenId> ids;
  if (object.find("messages") != nullptr) {
    SLUICE_TRY(object.only("prompt", {}));
    ids = SLUICE_TRY(read_messages(object, tokenizer, any_length));
  } else {
    const bool add_special = SLUICE_TRY(object.flag("add_special_tokens", true));
    ids = SLUICE_TRY(read_prompt(object, tokenizer, any_length, add_special));
  }
  SLUICE_TRY(object.end());
  return ids;
}

}  // namespace sluice::runtime
