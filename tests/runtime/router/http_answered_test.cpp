// SPDX-License-Identifier: Apache-2.0
// What the HTTP front tells of itself: metrics, how answers ended, when to come again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/router/http_server.hpp"
#include "tests/runtime/router/fake_core.hpp"
#include "tests/runtime/router/raw_client.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const char kPrompt[] = R"({"prompt": "hi"})";
const char kStreamed[] = R"({"prompt": "hi", "stream": true})";

// Statuses, as they come: after an answer's last byte, so that a test has to wait for them.
class Answered {
 public:
  void add(int status) {
    const std::lock_guard lock(mutex_);
    statuses_.push_back(status);
    changed_.notify_all();
  }
  std::vector<int> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return statuses_.size() >= count; });
    return statuses_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> statuses_;
};

class HttpAnsweredTest : public ::testing::Test {
 protected:
  void SetUp() override {
    HttpOptions options;
    options.metrics = [] { return std::string("up 1\n"); };
    options.on_answered = [this](int status) { answered_.add(status); };
    server_ = start(std::move(options));
  }
  std::unique_ptr<HttpServer> start(HttpOptions options) {
    auto started = HttpServer::start({.host = "127.0.0.1", .port = 0}, generator_, tokenizer_,
                                     {"tiny", "chatml", 200}, std::move(options));
    EXPECT_TRUE(started.has_value()) << started.error().message;
    return std::move(*started);
  }
  RawResponse post(const std::string& path, const std::string& body) {
    RawClient client(server_->port());
    client.post(path, body, "");
    return client.response();
  }
  RawResponse get(const std::string& path) {
    RawClient client(server_->port());
    client.get(path);
    return client.response();
  }

  Answered answered_;
  FakeTokenizer tokenizer_;
  FakeGenerator generator_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpAnsweredTest, MetricsAreTextThatPrometheusReads) {
  const RawResponse response = get("/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "up 1\n");
  EXPECT_THAT(response.head, HasSubstr("text/plain; version=0.0.4; charset=utf-8"));
  EXPECT_EQ(post("/metrics", "{}").status, 405);
  server_ = start({});
  EXPECT_EQ(get("/metrics").status, 404);
}

TEST_F(HttpAnsweredTest, EveryAnswerIsCountedOnceByItsEnd) {
  EXPECT_EQ(post("/v1/completions", kPrompt).status, 200);
  EXPECT_EQ(post("/v1/completions", kStreamed).status, 200);
  EXPECT_EQ(post("/v1/completions", "{").status, 400);
  EXPECT_THAT(answered_.wait_for(3), UnorderedElementsAre(200, 200, 400));
  generator_.script = {make_error(ErrorCode::kUnavailable, "gone")};
  EXPECT_EQ(post("/v1/completions", kStreamed).status, 503);
  generator_.refusal = make_error(ErrorCode::kResourceExhausted, "full");
  EXPECT_EQ(post("/v1/completions", kPrompt).status, 429);
  EXPECT_THAT(answered_.wait_for(5), UnorderedElementsAre(200, 200, 400, 503, 429));
}

TEST_F(HttpAnsweredTest, AClientThatHungUpIsNotAFailure) {
  generator_.script = script_of("a");  // and no end
  {
    RawClient client(server_->port());
    client.post("/v1/completions", kPrompt, "");
    ASSERT_TRUE(generator_.ledger.wait([&] { return generator_.ledger.blocked == 1; }));
  }
  EXPECT_THAT(answered_.wait_for(1), UnorderedElementsAre(499));
}

TEST_F(HttpAnsweredTest, ARefusalSaysInWholeSecondsWhenToComeAgain) {
  generator_.script = {make_error(ErrorCode::kResourceExhausted, "no capacity")};
  const std::vector<std::pair<double, std::string>> rows = {
      {0.0, "1"}, {0.2, "1"}, {2.01, "3"}, {7.0, "7"}, {1e9, "3600"}, {std::nan(""), "1"}};
  for (const auto& [given_s, told] : rows) {
    generator_.retry_after_s = given_s;
    for (const char* body : {kPrompt, kStreamed}) {
      const RawResponse response = post("/v1/completions", body);
      EXPECT_EQ(response.status, 429);
      EXPECT_THAT(response.head, HasSubstr("Retry-After: " + told + "\r\n"));
    }
  }
}

}  // namespace
}  // namespace sluice::runtime
