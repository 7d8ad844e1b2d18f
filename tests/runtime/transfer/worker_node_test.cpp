// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/worker_node.hpp"

#include <gtest/gtest.h>

#include "comm/registry.hpp"

namespace sluice::runtime {
namespace {

// Counts what it is handed and stops at a shutdown.
class CountingNode : public WorkerNode {
 public:
  using WorkerNode::say_goodbye;
  using WorkerNode::send_failed;
  using WorkerNode::WorkerNode;
  void run() { loop(); }

  std::vector<MessageType> messages;
  std::vector<comm::NodeId> lost;
  int operations = 0;

 private:
  void on_message(comm::NodeId, MessageType type, Bytes) override { messages.push_back(type); }
  void on_operation(comm::OperationId, const Status&) override { ++operations; }
  void on_peer_lost(comm::NodeId peer, const Status&) override { lost.push_back(peer); }
  bool on_turn() override {
    return messages.empty() || messages.back() != MessageType::kShutdown;
  }
};

struct Pair {
  Cluster worker;
  std::unique_ptr<comm::Transport> router;

  Pair() {
    worker.self = 1;
    worker.router = 0;
    worker.transport = comm::open_transport("loopback", {.self = 1}).value();
    router = comm::open_transport("loopback", {.self = 0}).value();
    EXPECT_TRUE(worker.transport->connect(0, router->address()).has_value());
    EXPECT_TRUE(router->connect(1, worker.transport->address()).has_value());
  }
  void send(MessageType type) {
    EXPECT_TRUE(router->send(1, static_cast<std::uint16_t>(type), {}).has_value());
  }
  std::vector<comm::Completion> received() {
    std::vector<comm::Completion> completions(8);
    completions.resize(router->poll(completions));
    return completions;
  }
};

TEST(WorkerNode, HandsOutMessagesUntilItIsToldToStop) {
  Pair pair;
  CountingNode node(pair.worker);
  pair.send(MessageType::kCancel);
  pair.send(MessageType::kSubmit);
  pair.send(MessageType::kShutdown);
  node.run();
  EXPECT_EQ(node.messages, (std::vector<MessageType>{MessageType::kCancel, MessageType::kSubmit,
                                                     MessageType::kShutdown}));
}

TEST(WorkerNode, GoodbyeIsDeliveredBeforeItReturns) {
  Pair pair;
  CountingNode node(pair.worker);
  node.say_goodbye();
  const auto completions = pair.received();
  ASSERT_EQ(completions.size(), 1U);
  EXPECT_EQ(static_cast<MessageType>(completions[0].type), MessageType::kGoodbye);
  EXPECT_GT(GoodbyeMessage::decode(completions[0].payload)->memory_peak_bytes, 0U);
}

TEST(WorkerNode, FailuresKeepTheirCodeAndWords) {
  Pair pair;
  CountingNode node(pair.worker);
  node.send_failed(0, 77, make_error(ErrorCode::kCorrupt, "torn"));
  const auto completions = pair.received();
  ASSERT_EQ(completions.size(), 1U);
  const auto failed = FailedMessage::decode(completions[0].payload);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->request, 77U);
  EXPECT_EQ(failed->code, ErrorCode::kCorrupt);
  EXPECT_EQ(failed->message, "torn");
}

}  // namespace
}  // namespace sluice::runtime
