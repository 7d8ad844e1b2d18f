// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/api_request.hpp"

#include <gtest/gtest.h>

#include "tests/runtime/router/fake_core.hpp"

namespace sluice::runtime {
namespace {

const FakeTokenizer kTokenizer;
const ModelInfo kModel = {"tiny", "chatml", 200};
using Ids = std::vector<TokenId>;

Result<ApiRequest> completion(const std::string& body) {
  return parse_completion_request(body, kTokenizer, kModel, 99);
}
Result<ApiRequest> chat(const std::string& body) {
  return parse_chat_request(body, kTokenizer, kModel, 99);
}

ApiRequest parsed(const Result<ApiRequest>& request) {
  EXPECT_TRUE(request.has_value()) << (request ? "" : request.error().message);
  return request ? *request : ApiRequest{};
}

TEST(CompletionRequest, Defaults) {
  const ApiRequest request = parsed(completion(R"({"prompt": "ab"})"));
  EXPECT_EQ(request.generate.prompt, (Ids{FakeTokenizer::kBegin, 'a', 'b'}));
  EXPECT_EQ(request.generate.tokens_max, 16);
  EXPECT_EQ(request.generate.sampling.temperature, 1.0);
  EXPECT_EQ(request.generate.sampling.top_p, 1.0);
  EXPECT_EQ(request.generate.sampling.top_k, 0);
  EXPECT_EQ(request.generate.sampling.seed, 99U);
  EXPECT_FALSE(request.generate.ignore_end);
  EXPECT_FALSE(request.stream);
  EXPECT_FALSE(request.is_chat);
  EXPECT_TRUE(request.stops.empty());
}

TEST(CompletionRequest, EveryParameterArrives) {
  const ApiRequest request = parsed(completion(R"({
    "model": "tiny", "prompt": "a", "max_tokens": 7, "stream": true,
    "stream_options": {"include_usage": true, "continuous_usage_stats": true},
    "stop": ["x", "yy"], "temperature": 0, "top_p": 0.5, "top_k": 40, "seed": -1,
    "ignore_eos": true, "add_special_tokens": false})"));
  EXPECT_EQ(request.generate.prompt, Ids{'a'});
  EXPECT_EQ(request.generate.tokens_max, 7);
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.include_usage);
  EXPECT_TRUE(request.include_usage_always);
  EXPECT_EQ(request.stops, (std::vector<std::string>{"x", "yy"}));
  EXPECT_EQ(request.generate.sampling.temperature, 0.0);
  EXPECT_EQ(request.generate.sampling.top_p, 0.5);
  EXPECT_EQ(request.generate.sampling.top_k, 40);
  EXPECT_EQ(request.generate.sampling.seed, ~std::uint64_t{0});
  EXPECT_TRUE(request.generate.ignore_end);
}

TEST(CompletionRequest, MayChooseAPipeline) {
  ModelInfo model = kModel;
  model.check_pipeline = [](const std::string& name) -> Status {
    if (name == "int4") return {};
    return make_error(ErrorCode::kNotFound, "there is no preset '" + name + "'");
  };
  const auto ask = [&](const std::string& more) {
    return parse_completion_request("{\"prompt\": \"abc\", " + more + "}", kTokenizer, model, 1);
  };
  const ApiRequest request = parsed(ask(R"("pipeline": "int4", "question_tokens": 2)"));
  EXPECT_EQ(request.generate.pipeline, "int4");
  EXPECT_EQ(request.generate.question_tokens, 2);
  EXPECT_EQ(parsed(ask(R"("pipeline": null)")).generate.pipeline, "");
  const auto unknown = ask(R"("pipeline": "int5")");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(unknown.error().message, "\"pipeline\": there is no preset 'int5'");
  for (const char* bad :
       {R"("pipeline": 4)", R"("question_tokens": -1)", R"("question_tokens": 100)"}) {
    EXPECT_FALSE(ask(bad).has_value()) << bad;
  }
  EXPECT_FALSE(completion(R"({"prompt": "a", "pipeline": "int4"})").has_value());
}

TEST(CompletionRequest, MaySayWhatItsUserExpects) {
  const ApiRequest usual = parsed(completion(R"({"prompt": "a"})"));
  EXPECT_EQ(usual.generate.slo_class, "");
  EXPECT_EQ(usual.generate.kl_max, 0.0);
  const ApiRequest asked =
      parsed(completion(R"({"prompt": "a", "slo_class": "batch", "kl_max": 0.02})"));
  EXPECT_EQ(asked.generate.slo_class, "batch");
  EXPECT_EQ(asked.generate.kl_max, 0.02);
  // No loss at all is something else than nothing said.
  const double none = parsed(completion(R"({"prompt": "a", "kl_max": 0})")).generate.kl_max;
  EXPECT_GT(none, 0.0);
  EXPECT_LT(none, 1e-300);
  const ApiRequest in_chat = parsed(
      chat(R"({"messages": [{"role": "user", "content": "a"}], "slo_class": "x", "kl_max": 1})"));
  EXPECT_EQ(in_chat.generate.slo_class, "x");
  EXPECT_EQ(in_chat.generate.kl_max, 1.0);
  const std::string long_name(65, 'a');
  for (const std::string& bad :
       {std::string(R"("slo_class": 4)"), R"("slo_class": ")" + long_name + "\"",
        std::string(R"("kl_max": -0.1)"), std::string(R"("kl_max": "low")"),
        std::string(R"("kl_max": 101)")}) {
    EXPECT_FALSE(completion("{\"prompt\": \"a\", " + bad + "}").has_value()) << bad;
  }
}

TEST(CompletionRequest, FormsOfThePrompt) {
  EXPECT_EQ(parsed(completion(R"({"prompt": [97, 98]})")).generate.prompt, (Ids{'a', 'b'}));
  EXPECT_EQ(parsed(completion(R"({"prompt": [[97, 98]]})")).generate.prompt, (Ids{'a', 'b'}));
  EXPECT_EQ(parsed(completion(R"({"prompt": ["a"]})")).generate.prompt,
            (Ids{FakeTokenizer::kBegin, 'a'}));
  EXPECT_EQ(parsed(completion(R"({"prompt": "a", "stop": "x"})")).stops,
            std::vector<std::string>{"x"});
}

// What clients send by habit: nulls, and values that mean "off".
TEST(CompletionRequest, NullsAndNeutralValuesAreAccepted) {
  parsed(completion(R"({
    "prompt": "a", "max_tokens": null, "stop": null, "stream_options": null, "n": 1, "best_of": 1,
    "echo": false, "logprobs": null, "suffix": null, "presence_penalty": 0.0, "top_k": -1,
    "frequency_penalty": 0, "repetition_penalty": 1.0, "min_p": 0.0, "logit_bias": {},
    "user": "someone", "something_new": null})"));
}

TEST(CompletionRequest, TheAnswerFitsTheContext) {
  const std::string long_prompt(189, 'a');
  // 190 tokens with the first one: 10 are left of 200.
  EXPECT_EQ(parsed(completion("{\"prompt\": \"" + long_prompt + "\"}")).generate.tokens_max, 10);
}

TEST(ChatRequest, TheAnswerMayFillTheContext) {
  const ApiRequest request =
      parsed(chat(R"({"messages": [{"role": "user", "content": "hi", "name": "x"}]})"));
  EXPECT_TRUE(request.is_chat);
  const auto prompt = static_cast<std::int64_t>(request.generate.prompt.size());
  EXPECT_GT(prompt, 2);
  EXPECT_NE(request.generate.prompt.front(), FakeTokenizer::kBegin);
  EXPECT_EQ(request.generate.tokens_max, 200 - prompt);
}

TEST(ChatRequest, ContentInPartsIsTheirTextInARow) {
  const ApiRequest whole = parsed(chat(R"({"messages": [{"role": "user", "content": "ab"}]})"));
  const ApiRequest parts =
      parsed(chat(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"},)"
                  R"({"type": "text", "text": "b"}]}]})"));
  EXPECT_EQ(whole.generate.prompt, parts.generate.prompt);
}

TEST(ChatRequest, TheNewerNameOfTheLengthWins) {
  EXPECT_EQ(parsed(chat(R"({"messages": [{"role": "user", "content": "a"}], "max_tokens": 3,)"
                        R"("max_completion_tokens": 4})"))
                .generate.tokens_max,
            4);
}

struct BadBody {
  std::string body;
  ErrorCode code;
  std::string message;
};

constexpr auto kInvalid = ErrorCode::kInvalidArgument;
constexpr auto kUnsupported = ErrorCode::kUnsupported;

void expect_errors(Result<ApiRequest> (*parse)(const std::string&),
                   const std::vector<BadBody>& rows) {
  for (const BadBody& row : rows) {
    const Result<ApiRequest> request = parse(row.body);
    ASSERT_FALSE(request.has_value()) << row.body;
    EXPECT_EQ(request.error().code, row.code) << row.body;
    EXPECT_EQ(request.error().message, row.message);
  }
}

TEST(CompletionRequest, BadBodies) {
  expect_errors(
      completion,
      {
          {"\"a\"", kInvalid, "the request body must be a JSON object"},
          {"{\"prompt\": \"\xff\"}", kInvalid, "the request body is not valid UTF-8"},
          {"{}", kInvalid, "\"prompt\" is missing"},
          {R"({"prompt": ""})", kInvalid, "\"prompt\" is empty"},
          {R"({"prompt": []})", kInvalid, "\"prompt\" is empty"},
          {R"({"prompt": [""]})", kInvalid, "\"prompt\" is empty"},
          {R"({"prompt": [[]]})", kInvalid, "\"prompt\" is empty"},
          {R"({"prompt": 5})", kInvalid, "\"prompt\" must be a string or a list of token ids"},
          {R"({"prompt": [1, "a"]})", kInvalid,
           "\"prompt\" must be a string or a list of token ids"},
          {R"({"prompt": ["a", "b"]})", kUnsupported,
           "\"prompt\" has 2 prompts, but a request has one; send a request for each"},
          {R"({"prompt": [258]})", kInvalid,
           "\"prompt\" has the token id 258, but ids go from 0 to 257"},
          {R"({"prompt": [-1]})", kInvalid,
           "\"prompt\" has the token id -1, but ids go from 0 to 257"},
          {R"({"prompt": "a", "model": "other"})", ErrorCode::kNotFound,
           "there is no model \"other\"; this server has \"tiny\""},
          {R"({"prompt": "a", "max_tokens": 0})", kInvalid,
           "\"max_tokens\" must be from 1 to 2147483647"},
          {R"({"prompt": "a", "max_tokens": 18446744073709551615})", kInvalid,
           "\"max_tokens\" must be from 1 to 2147483647"},
          {R"({"prompt": "a", "max_tokens": 1.5})", kInvalid,
           "\"max_tokens\" must be a whole number"},
          {R"({"prompt": "a", "max_tokens": 199})", kInvalid,
           "the prompt has 2 tokens and the answer may have 199, but the context of \"tiny\" is "
           "200 tokens"},
          {"{\"prompt\": \"" + std::string(199, 'a') + "\"}", kInvalid,
           "the prompt has 200 tokens, but the context of \"tiny\" is 200 tokens, answer "
           "included"},
          {R"({"prompt": "a", "stream": "yes"})", kInvalid, "\"stream\" must be true or false"},
          {R"({"prompt": "a", "stream_options": {}})", kInvalid,
           "\"stream_options\" needs \"stream\": true"},
          {R"({"prompt": "a", "stream": true, "stream_options": {"usage": true}})", kUnsupported,
           "\"stream_options.usage\" is not a parameter of this endpoint"},
          {R"({"prompt": "a", "stop": [""]})", kInvalid, "\"stop\" has an empty string"},
          {R"({"prompt": "a", "stop": 5})", kInvalid,
           "\"stop\" must be a string or a list of strings"},
          {R"({"prompt": "a", "temperature": -1})", kInvalid,
           "\"temperature\" must be from 0.0 to 100.0"},
          {R"({"prompt": "a", "top_p": 0})", kInvalid, "\"top_p\" must be more than 0"},
          {R"({"prompt": "a", "seed": "x"})", kInvalid, "\"seed\" must be a whole number"},
          {R"({"prompt": "a", "n": 2})", kUnsupported, "\"n\" is not supported, except as 1"},
          {R"({"prompt": "a", "logprobs": 1})", kUnsupported, "\"logprobs\" is not supported"},
          {R"({"prompt": "a", "echo": true})", kUnsupported,
           "\"echo\" is not supported, except as false"},
          {R"({"prompt": "a", "repetition_penalty": 1.1})", kUnsupported,
           "\"repetition_penalty\" is not supported, except as 1"},
          {R"({"prompt": "a", "max_token": 5})", kUnsupported,
           "\"max_token\" is not a parameter of this endpoint"},
          {R"({"prompt": "a", "max_completion_tokens": 5})", kUnsupported,
           "\"max_completion_tokens\" is not a parameter of this endpoint"},
      });
}

TEST(CompletionRequest, WhatCannotFitIsRefusedBeforeItIsTokenized) {
  FakeTokenizer tokenizer;
  tokenizer.bytes_max = 10;
  const auto with = [&](std::size_t bytes) {
    return parse_completion_request("{\"prompt\": \"" + std::string(bytes, 'a') + "\"}", tokenizer,
                                    kModel, 1);
  };
  const auto refused = with(2001);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, kInvalid);
  EXPECT_EQ(refused.error().message,
            "the prompt has 2001 bytes, which are at least 201 tokens, but the context of \"tiny\" "
            "is 200 tokens");
  EXPECT_FALSE(parse_chat_request(R"({"messages": [{"role": "user", "content": ")" +
                                      std::string(2001, 'a') + "\"}]}",
                                  tokenizer, kModel, 1)
                   .has_value());
  EXPECT_EQ(tokenizer.encoded, 0);
  EXPECT_FALSE(with(2000).has_value());  // but it is tokenized
  EXPECT_EQ(tokenizer.encoded, 1);
  tokenizer.bytes_max = 0;
  EXPECT_FALSE(with(2001).has_value());
  EXPECT_EQ(tokenizer.encoded, 2);
  const auto counted =
      parse_tokenize_request("{\"prompt\": \"" + std::string(2001, 'a') + "\"}", tokenizer, kModel);
  EXPECT_EQ(counted.value().size(), 2002U);
}

TEST(CompletionRequest, AMinimumLengthIsTakenWhereItChangesNothing) {
  for (const char* rest :
       {R"("min_tokens": 0})", R"("min_tokens": null})", R"("min_tokens": 0, "stop": "x"})",
        R"("min_tokens": 9, "max_tokens": 9, "ignore_eos": true})",
        R"("min_tokens": 3, "max_tokens": 9, "ignore_eos": true, "stop": []})"}) {
    EXPECT_TRUE(completion(std::string(R"({"prompt": "a", )") + rest).has_value()) << rest;
  }
  expect_errors(
      completion,
      {
          {R"({"prompt": "a", "min_tokens": 3})", kUnsupported,
           "\"min_tokens\" is not supported, except as 0 or with \"ignore_eos\": true and no "
           "\"stop\""},
          {R"({"prompt": "a", "min_tokens": 3, "ignore_eos": true, "stop": "x"})", kUnsupported,
           "\"min_tokens\" is not supported, except as 0 or with \"ignore_eos\": true and no "
           "\"stop\""},
          {R"({"prompt": "a", "min_tokens": 9, "max_tokens": 8, "ignore_eos": true})", kInvalid,
           "\"min_tokens\" is 9, but the answer may have at most 8 tokens"},
          {R"({"prompt": "a", "min_tokens": -1})", kInvalid,
           "\"min_tokens\" must be from 0 to 2147483647"},
      });
}

TEST(CompletionRequest, BrokenJsonSaysWhere) {
  for (const char* body : {"", "{", "{\"prompt\": }", "{\"prompt\": \"\\ud800\"}", "{} {}"}) {
    const Result<ApiRequest> request = completion(body);
    ASSERT_FALSE(request.has_value()) << body;
    EXPECT_EQ(request.error().code, kInvalid);
    EXPECT_EQ(
        request.error().message.find("the request body is not valid JSON: parse error at line"), 0U)
        << request.error().message;
  }
  const Result<ApiRequest> deep = completion(std::string(200'000, '['));
  EXPECT_FALSE(deep.has_value());
}

TEST(ChatRequest, BadBodies) {
  expect_errors(
      chat,
      {
          {"{}", kInvalid, "\"messages\" is missing"},
          {R"({"messages": []})", kInvalid, "\"messages\" is empty"},
          {R"({"messages": "hi"})", kInvalid, "\"messages\" must be a list"},
          {R"({"messages": ["hi"]})", kInvalid, "messages[0] must be an object"},
          {R"({"messages": [{"content": "a"}]})", kInvalid, "messages[0].role is missing"},
          {R"({"messages": [{"role": "tool", "content": "a"}]})", kUnsupported,
           "messages[0].role must be \"system\", \"user\" or \"assistant\""},
          {R"({"messages": [{"role": "user"}]})", kInvalid, "messages[0].content is missing"},
          {R"({"messages": [{"role": "user", "content": 5}]})", kInvalid,
           "messages[0].content must be a string or a list of text parts"},
          {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", kUnsupported,
           "messages[0].content may only have parts of the form {\"type\": \"text\", "
           "\"text\": \"...\"}"},
          {R"({"messages": [{"role": "user", "content": "a", "tool_calls": [1]}]})", kUnsupported,
           "\"messages[0].tool_calls\" is not a parameter of this endpoint"},
          {R"({"messages": [{"role": "user", "content": "a"}], "tools": [{}]})", kUnsupported,
           "\"tools\" is not supported, except as []"},
          {R"({"messages": [{"role": "user", "content": "a"}], "logprobs": true})", kUnsupported,
           "\"logprobs\" is not supported, except as false"},
      });
}

TEST(ChatRequest, AModelWithoutATemplateSaysSo) {
  const ModelInfo model = {"base", "", 200};
  const Result<ApiRequest> request = parse_chat_request(
      R"({"messages": [{"role": "user", "content": "a"}]})", kTokenizer, model, 0);
  ASSERT_FALSE(request.has_value());
  EXPECT_EQ(request.error().code, kUnsupported);
  EXPECT_EQ(request.error().message,
            "the model \"base\" has no chat template; use /v1/completions");
}

TEST(TokenizeRequest, PromptOrMessages) {
  const auto tokens = parse_tokenize_request(R"({"prompt": "ab"})", kTokenizer, kModel);
  ASSERT_TRUE(tokens.has_value());
  EXPECT_EQ(*tokens, (Ids{FakeTokenizer::kBegin, 'a', 'b'}));
  const auto plain =
      parse_tokenize_request(R"({"prompt": "a", "add_special_tokens": false})", kTokenizer, kModel);
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(*plain, Ids{'a'});
  const auto messages = parse_tokenize_request(
      R"({"messages": [{"role": "user", "content": "a"}]})", kTokenizer, kModel);
  ASSERT_TRUE(messages.has_value());
  EXPECT_GT(messages->size(), 1U);
  EXPECT_FALSE(parse_tokenize_request("{}", kTokenizer, kModel).has_value());
  EXPECT_FALSE(
      parse_tokenize_request(R"({"prompt": "a", "x": 1})", kTokenizer, kModel).has_value());
}

}  // namespace
}  // namespace sluice::runtime
