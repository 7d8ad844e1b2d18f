// SPDX-License-Identifier: Apache-2.0
// Joining over a socket, with well-behaved and other newcomers.
#include "runtime/router/join_socket.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/router/join_message.hpp"

namespace sluice::runtime {
namespace {

constexpr std::chrono::seconds kPatience{60};

Hello some_hello() {
  Hello hello;
  hello.role = Role::kDecode;
  hello.host = "here";
  hello.address.assign(100, std::byte{7});
  return hello;
}

JoinAnswer some_answer() { return {5, 0, {Hello{}, some_hello()}}; }

TEST(JoinAddress, IsAHostAndAPort) {
  EXPECT_EQ(parse_join_address("node7:8001")->host, "node7");
  EXPECT_EQ(parse_join_address("node7:8001")->port, "8001");
  EXPECT_EQ(parse_join_address("[::1]:8001")->host, "::1");
  for (const char* text : {"", "node7", ":8001", "node7:", "node7:x", "node7:0", "node7:65536",
                           "node7:999999999999"}) {
    EXPECT_FALSE(parse_join_address(text).has_value()) << text;
  }
}

class JoinSocket : public testing::Test {
 protected:
  JoinSocket()
      : server_(JoinServer::start("127.0.0.1", 0, [this](comm::NodeId node, Hello hello) {
                  asked_.push_back(node);
                  host_ = hello.host;
                  return node == 1 ? Result<JoinAnswer>(some_answer())
                                   : make_error(ErrorCode::kUnavailable, "it lives");
                }).value()) {}

  JoinAddress address() const { return {"127.0.0.1", std::to_string(server_->port())}; }
  // Connected to the server.
  int raw_client() const {
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server_->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    return client;
  }

  std::vector<comm::NodeId> asked_;
  std::string host_;
  std::unique_ptr<JoinServer> server_;
};

TEST_F(JoinSocket, AnswersAndRefuses) {
  const auto told = ask_to_join(address(), 1, some_hello(), kPatience);
  ASSERT_TRUE(told.has_value()) << told.error().message;
  EXPECT_EQ(told->incarnation, 5U);
  EXPECT_EQ(told->hellos.size(), 2U);
  const auto refused = ask_to_join(address(), 2, some_hello(), kPatience);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "it lives");
  EXPECT_EQ(asked_, (std::vector<comm::NodeId>{1, 2}));
  EXPECT_EQ(host_, "here");
}

TEST_F(JoinSocket, ServesOnAfterOnesThatTalkNonsenseOrHangUp) {
  const int hangs_up = raw_client();
  close(hangs_up);
  const int talks_http = raw_client();
  const std::string nonsense = "GET / HTTP/1.1\r\n\r\n";
  EXPECT_EQ(write(talks_http, nonsense.data(), nonsense.size()),
            static_cast<ssize_t>(nonsense.size()));
  std::vector<std::byte> answer(4096);
  const ssize_t count = read(talks_http, answer.data(), answer.size());
  ASSERT_GT(count, 8);  // it is told what it did wrong
  answer.resize(static_cast<std::size_t>(count));
  EXPECT_EQ(decode_join_answer(Bytes(answer).subspan(8)).error().code, ErrorCode::kCorrupt);
  close(talks_http);
  EXPECT_TRUE(ask_to_join(address(), 1, some_hello(), kPatience).has_value());
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(JoinSocket, EndsAtOnceWhileSomebodySaysNothing) {
  const int silent = raw_client();
  server_.reset();
  close(silent);
}

TEST_F(JoinSocket, WhereNobodyListensIsSaidInWords) {
  const JoinAddress before = address();
  EXPECT_FALSE(JoinServer::start("127.0.0.1", server_->port(), {}).has_value());
  server_.reset();
  const auto told = ask_to_join(before, 1, some_hello(), kPatience);
  ASSERT_FALSE(told.has_value());
  EXPECT_EQ(told.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(told.error().message.find("no router listens at 127.0.0.1:"), std::string::npos)
      << told.error().message;
}

}  // namespace
}  // namespace sluice::runtime
