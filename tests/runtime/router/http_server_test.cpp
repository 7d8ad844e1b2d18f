// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/http_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/runtime/router/fake_core.hpp"
#include "tests/runtime/router/raw_client.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const char kPrompt[] = R"({"prompt": "hi"})";
const char kStreamed[] = R"({"prompt": "hi", "stream": true})";

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = HttpServer::start({.host = "127.0.0.1", .port = 0}, generator_, tokenizer_,
                                     {"tiny", "chatml", 200});
    ASSERT_TRUE(started.has_value()) << started.error().message;
    server_ = std::move(*started);
  }
  RawResponse post(const std::string& path, const std::string& body,
                   const std::string& headers = "") {
    RawClient client(server_->port());
    client.post(path, body, headers);
    return client.response();
  }
  RawResponse get(const std::string& path) {
    RawClient client(server_->port());
    client.get(path);
    return client.response();
  }

  FakeTokenizer tokenizer_;
  FakeGenerator generator_;
  std::unique_ptr<HttpServer> server_;
};

// The texts of a stream's completion chunks, in a row.
std::string streamed_text(const std::string& body) {
  std::string text;
  const std::string key = "\"text\":\"";
  for (auto at = body.find(key); at != std::string::npos; at = body.find(key, at)) {
    at += key.size();
    text += body.substr(at, body.find('"', at) - at);
  }
  return text;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_F(HttpServerTest, SmallEndpoints) {
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_THAT(get("/version").body, HasSubstr("{\"version\":\""));
  const RawResponse models = get("/v1/models");
  EXPECT_EQ(models.status, 200);
  EXPECT_THAT(models.head, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(models.body, HasSubstr("\"id\":\"tiny\""));
  EXPECT_EQ(post("/tokenize", R"({"prompt": "a"})").body,
            R"({"count":2,"max_model_len":200,"tokens":[257,97]})");
}

TEST_F(HttpServerTest, AWholeCompletion) {
  const RawResponse response = post("/v1/completions", R"({"prompt": "hi", "max_tokens": 5})");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr("\"id\":\"cmpl-"));
  EXPECT_THAT(response.body, HasSubstr("\"text\":\"Hello\",\"logprobs\":null,"
                                       "\"finish_reason\":\"length\""));
  EXPECT_THAT(response.body, HasSubstr("\"prompt_tokens\":3,\"completion_tokens\":5,"
                                       "\"total_tokens\":8"));
  EXPECT_EQ(generator_.last.tokens_max, 5);
}

TEST_F(HttpServerTest, AWholeChat) {
  generator_.script = script_of("Yes", FinishReason::kNone);
  generator_.script.push_back(GenerateEvent{FakeTokenizer::kEnd, FinishReason::kStop});
  const RawResponse response =
      post("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "a"}]})");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr("\"object\":\"chat.completion\""));
  EXPECT_THAT(response.body, HasSubstr("\"message\":{\"role\":\"assistant\",\"content\":\"Yes\"},"
                                       "\"logprobs\":null,\"finish_reason\":\"stop\""));
  EXPECT_THAT(response.body, HasSubstr("\"completion_tokens\":4"));
}

TEST_F(HttpServerTest, OnlyAChatsAnswerLosesTheVocabularysFirstSpace) {
  tokenizer_.strips_left = true;
  generator_.script = script_of(" a b", FinishReason::kLength);
  EXPECT_THAT(post("/v1/completions", kPrompt).body, HasSubstr("\"text\":\" a b\""));
  EXPECT_EQ(streamed_text(post("/v1/completions", kStreamed).body), " a b");
  EXPECT_THAT(
      post("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "a"}]})").body,
      HasSubstr("\"content\":\"a b\""));
}

// Copying such a value overflowed the stack.
TEST_F(HttpServerTest, DeepNestingIsRefused) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  for (const char* path : {"/v1/completions", "/v1/chat/completions", "/tokenize"}) {
    for (const char* key : {"stop", "prompt", "messages"}) {
      const RawResponse response =
          post(path, std::string("{\"") + key + "\": " + deep + ", \"prompt\": \"a\"}");
      EXPECT_EQ(response.status, 400);
      EXPECT_THAT(response.body, HasSubstr("nests deeper than 64 levels"));
    }
  }
}

TEST_F(HttpServerTest, AStream) {
  const RawResponse response =
      post("/v1/completions",
           R"({"prompt": "hi", "stream": true, "stream_options": {"include_usage": true}})");
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.is_whole);
  EXPECT_THAT(response.head, HasSubstr("Content-Type: text/event-stream"));
  EXPECT_EQ(streamed_text(response.body), "Hello");
  // Five tokens, the usage, the end.
  EXPECT_EQ(count_of(response.body, "data: "), 7U);
  EXPECT_EQ(count_of(response.body, "\n\n"), 7U);
  EXPECT_EQ(count_of(response.body, "\"finish_reason\":null"), 4U);
  EXPECT_THAT(response.body,
              HasSubstr("\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5,"
                        "\"total_tokens\":8}}\n\ndata: [DONE]\n\n"));
}

TEST_F(HttpServerTest, AChatStreamSaysWhoSpeaksOnceAndUsageOnlyWhenAsked) {
  const RawResponse response =
      post("/v1/chat/completions",
           R"({"messages": [{"role": "user", "content": "a"}], "stream": true})");
  EXPECT_TRUE(response.is_whole);
  EXPECT_EQ(count_of(response.body, "\"role\":\"assistant\""), 1U);
  EXPECT_EQ(count_of(response.body, "\"object\":\"chat.completion.chunk\""), 5U);
  EXPECT_THAT(response.body, Not(HasSubstr("usage")));
  const RawResponse always = post(
      "/v1/completions",
      R"({"prompt": "hi", "stream": true, "stream_options": {"continuous_usage_stats": true}})");
  EXPECT_EQ(count_of(always.body, "\"usage\""), 5U);
}

TEST_F(HttpServerTest, TimingsComeWithTheLastPieceWhenAskedFor) {
  const RawResponse streamed =
      post("/v1/completions", R"({"prompt": "hi", "stream": true, "timings": true})");
  EXPECT_EQ(count_of(streamed.body, "\"timings\":{"), 1U);
  EXPECT_THAT(streamed.body, HasSubstr("\"first_token_us\":"));
  EXPECT_THAT(post("/v1/completions", R"({"prompt": "hi", "timings": true})").body,
              HasSubstr("\"timings\":{"));
  EXPECT_THAT(post("/v1/completions", kStreamed).body, Not(HasSubstr("timings")));
}

TEST_F(HttpServerTest, CharactersOfAStreamAreWhole) {
  generator_.script = script_of("\xe2\x82\xac!", FinishReason::kLength);
  const RawResponse response = post("/v1/completions", kStreamed);
  EXPECT_EQ(streamed_text(response.body), "\xe2\x82\xac!");
  EXPECT_THAT(response.body, Not(HasSubstr("\xef\xbf\xbd")));
}

TEST_F(HttpServerTest, AStopStringEndsTheAnswerAndTheRequest) {
  generator_.script = script_of("one. two");
  const RawResponse response = post("/v1/completions", R"({"prompt": "hi", "stop": ". "})");
  EXPECT_THAT(response.body, HasSubstr("\"text\":\"one\",\"logprobs\":null,"
                                       "\"finish_reason\":\"stop\""));
  EXPECT_EQ(generator_.ledger.cancelled, 1);
}

TEST_F(HttpServerTest, CompressionIsNotForStreams) {
  const RawResponse response =
      post("/v1/completions", kStreamed, "Accept-Encoding: gzip, deflate, br\r\n");
  EXPECT_EQ(streamed_text(response.body), "Hello");
}

TEST_F(HttpServerTest, RequestIdsAreEchoedUnlessTheyAreHarmful) {
  EXPECT_THAT(post("/v1/completions", kPrompt, "X-Request-Id: abc-1\r\n").head,
              HasSubstr("x-request-id: abc-1\r\n"));
  EXPECT_THAT(post("/v1/completions", "{", "X-Request-Id: abc-2\r\n").head,
              HasSubstr("x-request-id: abc-2\r\n"));
  EXPECT_THAT(post("/v1/completions", kPrompt, "X-Request-Id: a%0d%0aInjected: 1\r\n").head,
              Not(HasSubstr("Injected")));
}

TEST_F(HttpServerTest, ErrorsOfTheRequest) {
  const RawResponse bad = post("/v1/completions", "{");
  EXPECT_EQ(bad.status, 400);
  EXPECT_THAT(bad.body, HasSubstr("\"type\":\"invalid_request_error\""));
  EXPECT_THAT(bad.body, HasSubstr("\"code\":\"invalid_argument\""));
  EXPECT_EQ(post("/v1/completions", R"({"prompt": ""})").status, 400);
  EXPECT_EQ(post("/v1/completions", R"({"prompt": "a", "n": 2})").status, 400);
  EXPECT_EQ(post("/v1/completions", R"({"prompt": "a", "model": "x"})").status, 404);
  EXPECT_EQ(post("/v1/completions", "{\"prompt\": \"\xff\"}").status, 400);
  EXPECT_EQ(post("/v1/completions", "{\"prompt\": \"" + std::string(300, 'a') + "\"}").status, 400);
}

TEST_F(HttpServerTest, ErrorsOfTheProtocol) {
  const RawResponse lost = get("/v2/completions");
  EXPECT_EQ(lost.status, 404);
  EXPECT_THAT(lost.body, HasSubstr("there is no endpoint /v2/completions"));
  EXPECT_EQ(post("/v2/completions", "{}").status, 404);
  const RawResponse method = get("/v1/completions");
  EXPECT_EQ(method.status, 405);
  EXPECT_THAT(method.head, HasSubstr("Allow: POST"));
  const RawResponse other = post("/health", "{}");
  EXPECT_EQ(other.status, 405);
  EXPECT_THAT(other.head, HasSubstr("Allow: GET"));
  RawClient noise(server_->port());
  noise.send("\x01\x02\x03 this is not HTTP\r\n\r\n");
  EXPECT_EQ(noise.response().status, 400);
  RawClient form(server_->port());
  form.send(
      "POST /v1/completions HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n"
      "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x--");
  EXPECT_EQ(form.response().status, 415);
  const RawResponse packed = post("/v1/completions", "x", "Content-Encoding: zstd\r\n");
  EXPECT_EQ(packed.status, 415);
  EXPECT_THAT(packed.body, HasSubstr("gzip, deflate or br"));
  EXPECT_EQ(get("/health").status, 200);
}

// A client that is told keeps no connection for its next request.
TEST_F(HttpServerTest, AnAnswerThatClosesSaysSo) {
  for (const auto& closing : {get("/v2/completions"), get("/v1/completions"),
                              post("/tokenize", "x", "Content-Encoding: zstd\r\n")}) {
    EXPECT_THAT(closing.head, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(closing.head, Not(HasSubstr("Keep-Alive")));
  }
  RawClient noise(server_->port());
  noise.send("\x01 this is not HTTP\r\n\r\n");
  EXPECT_THAT(noise.response().head, HasSubstr("Connection: close\r\n"));
  EXPECT_FALSE(noise.read_until("more"));
  EXPECT_THAT(post("/v1/completions", "{").head, Not(HasSubstr("Connection: close")));
}

TEST_F(HttpServerTest, MessagesQuoteLittle) {
  std::string long_text;
  for (int i = 0; i < 1000; ++i) long_text += "\xc2\xa2";
  for (const std::string& body :
       {"{\"prompt\": \"a\", \"a" + long_text + "\": 1}",
        "{\"prompt\": \"a\", \"model\": \"" + long_text + "\"}", "[\"" + long_text}) {
    const RawResponse refused = post("/v1/completions", body);
    EXPECT_GE(refused.status, 400);
    EXPECT_LT(refused.body.size(), 450U);
    EXPECT_THAT(refused.body, Not(HasSubstr("\xef\xbf\xbd")));
  }
}

// Refused without being read: by its announced length, or when it has become too long.
TEST_F(HttpServerTest, BodiesAreBounded) {
  for (const char* path : {"/v1/completions", "/tokenize", "/elsewhere"}) {
    RawClient large(server_->port());
    large.send("POST " + std::string(path) +
               " HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\n");
    const RawResponse refused = large.response();
    EXPECT_EQ(refused.status, 413) << path;
    EXPECT_THAT(refused.body, HasSubstr("larger than"));
    EXPECT_FALSE(large.read_until("more"));  // closed: the rest is not taken for a request
  }
  RawClient chunked(server_->port());
  chunked.send("POST /v1/completions HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "100000\r\n" + std::string(1 << 20, ' ') + "\r\n";
  for (int i = 0; i < 33; ++i) chunked.send(chunk);
  EXPECT_EQ(chunked.response().status, 413);
}

TEST_F(HttpServerTest, AChunkedBodyIsRead) {
  RawClient client(server_->port());
  client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
      "7\r\n{\"promp\r\n9\r\nt\": \"hi\"}\r\n0\r\n\r\n");
  EXPECT_THAT(client.response().body, HasSubstr("\"text\":\"Hello\""));
}

TEST_F(HttpServerTest, ErrorsOfTheCore) {
  generator_.refusal = make_error(ErrorCode::kResourceExhausted, "over capacity");
  for (const char* body : {kPrompt, kStreamed}) {
    const RawResponse full = post("/v1/completions", body);
    EXPECT_EQ(full.status, 429);
    EXPECT_THAT(full.head, HasSubstr("Retry-After: 1"));
    EXPECT_THAT(full.body, HasSubstr("\"type\":\"rate_limit_error\""));
  }
  generator_.refusal = make_error(ErrorCode::kUnavailable, "no prefill worker is alive");
  EXPECT_EQ(post("/v1/completions", kPrompt).status, 503);
  generator_.refusal.reset();
  // Before the first token a stream still gets its own status.
  generator_.script = {make_error(ErrorCode::kUnavailable, "the prefill worker is gone")};
  const RawResponse gone = post("/v1/completions", kStreamed);
  EXPECT_EQ(gone.status, 503);
  EXPECT_THAT(gone.body, HasSubstr("the prefill worker is gone"));
  EXPECT_EQ(post("/v1/completions", kPrompt).status, 503);
}

TEST_F(HttpServerTest, AFailureInTheMiddleIsNeverAShortAnswer) {
  generator_.script = script_of("Hel");
  generator_.script.push_back(make_error(ErrorCode::kUnavailable, "the decode worker is gone"));
  const RawResponse streamed = post("/v1/completions", kStreamed);
  EXPECT_EQ(streamed.status, 200);
  EXPECT_EQ(streamed_text(streamed.body), "Hel");
  EXPECT_THAT(streamed.body, HasSubstr("event: error\ndata: {\"error\":{\"message\":"
                                       "\"the decode worker is gone\""));
  EXPECT_THAT(streamed.body, Not(HasSubstr("[DONE]")));
  EXPECT_FALSE(streamed.is_whole);
  EXPECT_EQ(post("/v1/completions", kPrompt).status, 503);
}

// The client hangs up while nothing has been computed yet, and in the middle of a stream.
TEST_F(HttpServerTest, HangingUpCancels) {
  StreamLedger& ledger = generator_.ledger;
  int cancelled = 0;
  for (const char* body : {kPrompt, kStreamed}) {
    for (const char* text : {"", "Hel"}) {
      generator_.script = script_of(text);
      RawClient client(server_->port());
      client.post("/v1/completions", body);
      ASSERT_TRUE(ledger.wait([&] { return ledger.blocked == cancelled + 1; }));
      client.close();
      ++cancelled;
      EXPECT_TRUE(ledger.wait([&] { return ledger.cancelled == cancelled; })) << body << text;
      EXPECT_TRUE(ledger.wait([&] { return ledger.alive == 0; }));
    }
  }
}

// Tokens reach the client while the answer is still being made.
TEST_F(HttpServerTest, TokensAreSentAtOnce) {
  generator_.script = script_of("Hel");
  RawClient client(server_->port());
  client.post("/v1/completions", kStreamed);
  EXPECT_TRUE(client.read_until("\"text\":\"l\""));
}

TEST_F(HttpServerTest, AConnectionServesManyRequests) {
  RawClient client(server_->port());
  for (int i = 0; i < 20; ++i) {
    client.post("/v1/completions", i % 2 == 0 ? kPrompt : kStreamed);
    const RawResponse response = client.response();
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.is_whole);
  }
}

TEST_F(HttpServerTest, ManyStreamsAtOnceDoNotBlockTheOthers) {
  generator_.script = script_of("a");
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    clients.back()->post("/v1/completions", kStreamed);
  }
  ASSERT_TRUE(generator_.ledger.wait([&] { return generator_.ledger.blocked == 40; }));
  EXPECT_EQ(get("/health").status, 200);
}

TEST_F(HttpServerTest, StopEndsWorkAndIdleConnections) {
  RawClient idle(server_->port());
  idle.get("/health");
  EXPECT_EQ(idle.response().status, 200);
  generator_.script = script_of("a");
  RawClient streaming(server_->port());
  streaming.post("/v1/completions", kStreamed);
  ASSERT_TRUE(streaming.read_until("\"text\":\"a\""));
  generator_.script = {};
  RawClient waiting(server_->port());
  waiting.post("/v1/completions", kPrompt);
  ASSERT_TRUE(generator_.ledger.wait([&] { return generator_.ledger.blocked == 2; }));
  server_->stop();
  EXPECT_EQ(waiting.response().status, 503);
  const RawResponse cut = streaming.response();
  EXPECT_THAT(cut.body, HasSubstr("the server is stopping"));
  EXPECT_FALSE(cut.is_whole);
  EXPECT_EQ(generator_.ledger.alive, 0);
  EXPECT_FALSE(RawClient(server_->port()).is_connected());
  server_->stop();
}

// Nobody waits for a client that sends its request byte by byte, or for one that stopped sending.
TEST_F(HttpServerTest, StopEndsRequestsThatAreStillRead) {
  RawClient head(server_->port());
  head.send("POST /v1/completions HTTP/1.1\r\nHost: t\r\n");
  RawClient body(server_->port());
  body.send(
      "POST /v1/completions HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n"
      "Content-Length: 9\r\n\r\n{");
  EXPECT_EQ(body.response().status, 100);  // so it is being read
  std::atomic<bool> is_over = false;
  std::thread trickle([&] {
    while (!is_over) {
      head.send("a");
      body.send(" ");
      std::this_thread::yield();
    }
  });
  server_->stop();
  is_over = true;
  trickle.join();
}

class HttpLimitsTest : public ::testing::Test {
 protected:
  void start(const HttpOptions& options) {
    auto started = HttpServer::start({.host = "127.0.0.1", .port = 0}, generator_, tokenizer_,
                                     {"tiny", "chatml", 200}, options);
    ASSERT_TRUE(started.has_value()) << started.error().message;
    server_ = std::move(*started);
  }

  const FakeTokenizer tokenizer_;
  FakeGenerator generator_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpLimitsTest, ARequestHasATimeToArrive) {
  start({.request_time_max = std::chrono::milliseconds(1)});
  RawClient head(server_->port());
  head.send("POST /v1/completions HTTP/1.1\r\n");
  EXPECT_FALSE(head.read_until("HTTP/1.1 200"));
  start({.request_time_max = std::chrono::milliseconds(200)});
  RawClient body(server_->port());
  body.send("POST /v1/completions HTTP/1.1\r\nContent-Length: 9\r\n\r\n{");
  const RawResponse late = body.response();
  EXPECT_EQ(late.status, 400);
  EXPECT_THAT(late.head, HasSubstr("Connection: close\r\n"));
}

TEST_F(HttpLimitsTest, AWaitingConnectionTakesThePlaceOfAnIdleOne) {
  start({.connections_max = 2});
  generator_.script = script_of("a");
  RawClient streaming(server_->port());
  streaming.post("/v1/completions", kStreamed);
  ASSERT_TRUE(streaming.read_until("\"text\":\"a\""));
  RawClient idle(server_->port());
  idle.get("/health");
  EXPECT_EQ(idle.response().status, 200);
  for (int i = 0; i < 3; ++i) {
    RawClient next(server_->port());
    next.get("/health");
    EXPECT_EQ(next.response().status, 200);
  }
  EXPECT_FALSE(idle.read_until("more"));  // closed
}

TEST_F(HttpLimitsTest, MoreConnectionsThanRequestsAreLetIn) {
  EXPECT_GT(HttpOptions{}.connections_max, std::size_t{kOpenRequestsMax});
}

TEST_F(HttpServerTest, APortInUseIsAnError) {
  const auto second = HttpServer::start({.host = "127.0.0.1", .port = server_->port()}, generator_,
                                        tokenizer_, {"tiny", "", 200});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(second.error().message, "cannot listen on 127.0.0.1 port " +
                                        std::to_string(server_->port()) +
                                        ": Address already in use");
}

}  // namespace
}  // namespace sluice::runtime
