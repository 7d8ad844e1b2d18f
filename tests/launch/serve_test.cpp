// SPDX-License-Identifier: Apache-2.0
// `sluice serve` as its clients and its operator see it.
#include <gtest/gtest.h>
#include <httplib.h>

#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

int port_in(const std::string& text) {
  const std::string before = "http://127.0.0.1:";
  return std::stoi(text.substr(text.find(before) + before.size()));
}

TEST(Serve, AnswersOverHttpAndStopsWhenTold) {
  if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  const tests::TemporaryFolder folder;
  const auto config =
      folder.write("c.yaml", cluster_yaml("[router, prefill, decode]", "router: { port: 0 }\n"));
  tests::ChildProcess cluster(cluster_command(3, {"serve", config.string()}));
  ASSERT_TRUE(cluster.wait_for_error("serving", kPatience)) << cluster.error();
  ASSERT_TRUE(cluster.wait_for_error("\n", kPatience));
  httplib::Client client("127.0.0.1", port_in(cluster.error()));
  client.set_read_timeout(kPatience);

  const auto health = client.Get("/health");
  ASSERT_TRUE(health);
  EXPECT_EQ(health->status, 200);

  const auto chat =
      client.Post("/v1/chat/completions",
                  R"({"messages": [{"role": "user", "content": "What is the capital of France?"}],
          "max_tokens": 16, "temperature": 0})",
                  "application/json");
  ASSERT_TRUE(chat);
  ASSERT_EQ(chat->status, 200) << chat->body;
  const auto answer = nlohmann::json::parse(chat->body);
  EXPECT_NE(answer["choices"][0]["message"]["content"].get<std::string>().find("Paris"),
            std::string::npos)
      << chat->body;

  const auto compressed = client.Post(
      "/v1/completions", R"({"prompt": "Paris is", "pipeline": "int8"})", "application/json");
  ASSERT_TRUE(compressed);
  EXPECT_EQ(compressed->status, 200) << compressed->body;
  const auto unknown = client.Post(
      "/v1/completions", R"({"prompt": "Paris is", "pipeline": "int9"})", "application/json");
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->status, 400);
  EXPECT_NE(unknown->body.find("there is no pipeline"), std::string::npos) << unknown->body;

  const auto bad = client.Post("/v1/completions", R"({"prompt": ""})", "application/json");
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->status, 400);

  // mpirun passes the signal on; its own exit code then says that it was interrupted.
  kill(cluster.pid(), SIGTERM);
  EXPECT_NE(cluster.wait(kPatience), -1) << cluster.error();
  EXPECT_NE(cluster.error().find("peak memory"), std::string::npos) << cluster.error();
}

}  // namespace
}  // namespace sluice::launch
