// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/answer_json.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

const AnswerHead kChat = {"chatcmpl-1", 1700000000, "m", true};
const AnswerHead kText = {"cmpl-1", 1700000000, "m", false};

TEST(AnswerJson, Whole) {
  EXPECT_EQ(answer_json(kText, {"hi", FinishReason::kStop}, {3, 2}),
            R"({"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"m",)"
            R"("choices":[{"index":0,"text":"hi","logprobs":null,"finish_reason":"stop"}],)"
            R"("usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})");
  EXPECT_EQ(answer_json(kChat, {"hi", FinishReason::kLength}, {3, 2}),
            R"({"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m",)"
            R"("choices":[{"index":0,"message":{"role":"assistant","content":"hi"},)"
            R"("logprobs":null,"finish_reason":"length"}],)"
            R"("usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})");
}

TEST(AnswerJson, Chunks) {
  EXPECT_EQ(chunk_json(kText, {"h", FinishReason::kNone}, true, {}),
            R"({"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"m",)"
            R"("choices":[{"index":0,"text":"h","logprobs":null,"finish_reason":null}]})");
  EXPECT_EQ(chunk_json(kChat, {"h", FinishReason::kNone}, true, {}),
            R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,)"
            R"("model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"h"},)"
            R"("logprobs":null,"finish_reason":null}]})");
  EXPECT_EQ(chunk_json(kChat, {"", FinishReason::kStop}, false, Usage{1, 2}),
            R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,)"
            R"("model":"m","choices":[{"index":0,"delta":{"content":""},)"
            R"("logprobs":null,"finish_reason":"stop"}],)"
            R"("usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})");
  EXPECT_EQ(usage_json(kText, {1, 2}),
            R"({"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"m",)"
            R"("choices":[],)"
            R"("usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})");
}

TEST(AnswerJson, TimingsGoAlong) {
  const std::string whole = answer_json(kText, {"", FinishReason::kStop}, {3, 2}, R"({"a": 1})");
  EXPECT_TRUE(whole.ends_with(R"("total_tokens":5},"timings":{"a":1}})")) << whole;
  const std::string last = chunk_json(kChat, {"", FinishReason::kStop}, false, {}, R"({"a": 1})");
  EXPECT_TRUE(last.ends_with(R"("finish_reason":"stop"}],"timings":{"a":1}})")) << last;
}

TEST(AnswerJson, BytesThatAreNoCharactersAreReplaced) {
  const std::string json = answer_json(kText,
                                       {"a\xff"
                                        "b",
                                        FinishReason::kStop},
                                       {});
  EXPECT_NE(json.find("a\xef\xbf\xbd"
                      "b"),
            std::string::npos)
      << json;
}

TEST(AnswerJson, ModelsAndTokens) {
  const ModelInfo model = {"m", "", 100};
  EXPECT_EQ(models_json(model, 7),
            R"({"object":"list","data":[{"id":"m","object":"model","created":7,)"
            R"("owned_by":"sluice","max_model_len":100}]})");
  const std::vector<TokenId> tokens = {1, 2};
  EXPECT_EQ(tokens_json(tokens, model), R"({"count":2,"max_model_len":100,"tokens":[1,2]})");
  EXPECT_EQ(tokens_json({}, model), R"({"count":0,"max_model_len":100,"tokens":[]})");
}

TEST(AnswerJson, Errors) {
  EXPECT_EQ(http_status(ErrorCode::kInvalidArgument), 400);
  EXPECT_EQ(http_status(ErrorCode::kUnsupported), 400);
  EXPECT_EQ(http_status(ErrorCode::kNotFound), 404);
  EXPECT_EQ(http_status(ErrorCode::kResourceExhausted), 429);
  EXPECT_EQ(http_status(ErrorCode::kUnavailable), 503);
  EXPECT_EQ(http_status(ErrorCode::kTimeout), 504);
  EXPECT_EQ(http_status(ErrorCode::kInternal), 500);
  EXPECT_EQ(error_json(429, make_error(ErrorCode::kResourceExhausted, "full \"now\"")),
            R"({"error":{"message":"full \"now\"","type":"rate_limit_error",)"
            R"("code":"resource_exhausted"}})");
}

}  // namespace
}  // namespace sluice::runtime
