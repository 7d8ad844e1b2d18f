// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/worker_node.hpp"

#include <gtest/gtest.h>

#include "comm/registry.hpp"

namespace sluice::runtime {
namespace {

// Counts what it is handed and ends at a failure.
class CountingNode : public WorkerNode {
 public:
  using WorkerNode::end_loop;
  using WorkerNode::loop;
  using WorkerNode::send_failed;
  using WorkerNode::serve;
  using WorkerNode::WorkerNode;

  std::vector<MessageType> messages;
  std::vector<comm::NodeId> lost;
  int operations = 0;
  int turns = 0;

 private:
  void on_message(comm::NodeId, MessageType type, Bytes) override { messages.push_back(type); }
  void on_operation(comm::OperationId, const Status&) override { ++operations; }
  void on_peer_lost(comm::NodeId peer, const Status&) override { lost.push_back(peer); }
  void on_turn() override {
    ++turns;
    if (!messages.empty() && messages.back() == MessageType::kFailed) {
      end_loop(make_error(ErrorCode::kInternal, "first"));
      end_loop(make_error(ErrorCode::kInternal, "second"));
    }
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

TEST(WorkerNode, HandsOutMessagesUntilTheRouterSaysStop) {
  Pair pair;
  CountingNode node(pair.worker);
  pair.send(MessageType::kCancel);
  pair.send(MessageType::kSubmit);
  pair.send(MessageType::kShutdown);
  EXPECT_TRUE(node.serve());
  EXPECT_EQ(node.messages, (std::vector<MessageType>{MessageType::kCancel, MessageType::kSubmit}));
  EXPECT_EQ(node.turns, 1);  // what came with the shutdown had its turn
}

TEST(WorkerNode, AShutdownOfSomebodyElseIsHandedOut) {
  Pair pair;
  auto other = comm::open_transport("loopback", {.self = 2}).value();
  EXPECT_TRUE(other->connect(1, pair.worker.transport->address()).has_value());
  CountingNode node(pair.worker);
  const auto type = static_cast<std::uint16_t>(MessageType::kShutdown);
  EXPECT_TRUE(other->send(1, type, {}).has_value());
  pair.send(MessageType::kFailed);
  EXPECT_FALSE(node.serve());
  EXPECT_EQ(node.messages,
            (std::vector<MessageType>{MessageType::kShutdown, MessageType::kFailed}));
}

TEST(WorkerNode, EndsWhenTheRouterIsGone) {
  Pair pair;
  CountingNode node(pair.worker);
  pair.router.reset();
  const Status served = node.serve();
  ASSERT_FALSE(served);
  EXPECT_EQ(served.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(served.error().message, "the router is gone: peer 0 is lost");
  EXPECT_TRUE(node.lost.empty());
}

TEST(WorkerNode, AnotherPeersLossIsHandedOut) {
  Pair pair;
  auto other = comm::open_transport("loopback", {.self = 2}).value();
  EXPECT_TRUE(pair.worker.transport->connect(2, other->address()).has_value());
  other.reset();
  pair.send(MessageType::kShutdown);
  CountingNode node(pair.worker);
  EXPECT_TRUE(node.serve());
  EXPECT_EQ(node.lost, (std::vector<comm::NodeId>{2}));
}

TEST(WorkerNode, TheFirstErrorIsTheOneThatStays) {
  Pair pair;
  CountingNode node(pair.worker);
  pair.send(MessageType::kFailed);
  const Status served = node.serve();
  ASSERT_FALSE(served);
  EXPECT_EQ(served.error().message, "first");
}

TEST(WorkerNode, ALoopEndsWithoutGoodbye) {
  Pair pair;
  CountingNode node(pair.worker);
  node.end_loop();
  node.loop();
  EXPECT_TRUE(pair.received().empty());
}

TEST(WorkerNode, GoodbyeIsDeliveredBeforeItReturns) {
  Pair pair;
  CountingNode node(pair.worker);
  node.end_loop();
  EXPECT_TRUE(node.serve());
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
