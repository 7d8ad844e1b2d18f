// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/worker_node.hpp"

#include <gtest/gtest.h>

#include "comm/forwarding_transport.hpp"
#include "comm/registry.hpp"

namespace sluice::runtime {
namespace {

// Counts what it is handed and ends at a failure.
class CountingNode : public WorkerNode {
 public:
  using WorkerNode::end_loop;
  using WorkerNode::send_failed;
  using WorkerNode::serve;
  using WorkerNode::watch;
  using WorkerNode::WorkerNode;

  std::vector<MessageType> messages;
  std::vector<comm::NodeId> lost;
  std::vector<comm::NodeId> silent;
  std::vector<comm::NodeId> back;
  std::vector<comm::NodeId> joined;
  std::vector<std::int64_t> round_trips_us;
  int operations = 0;
  int turns = 0;

 private:
  void on_message(comm::NodeId, MessageType type, Bytes) override { messages.push_back(type); }
  void on_operation(const comm::Completion&) override { ++operations; }
  void on_peer_lost(comm::NodeId peer, const Status&, comm::PeerFate fate) override {
    EXPECT_EQ(fate, comm::PeerFate::kGone);
    lost.push_back(peer);
  }
  void on_peer_silent(comm::NodeId peer) override { silent.push_back(peer); }
  void on_peer_back(comm::NodeId peer) override { back.push_back(peer); }
  void on_joined(comm::NodeId peer) override { joined.push_back(peer); }
  void on_round_trip(comm::NodeId, std::int64_t took_us) override {
    round_trips_us.push_back(took_us);
  }
  void on_turn() override {
    ++turns;
    if (!messages.empty() && messages.back() == MessageType::kFailed) {
      end_loop(make_error(ErrorCode::kInternal, "first"));
      end_loop(make_error(ErrorCode::kInternal, "second"));
    }
  }
};

// The loopback transport with a clock that the test moves; its wait() does not sleep.
class HandClock final : public comm::ForwardingTransport {
 public:
  explicit HandClock(comm::NodeId self)
      : ForwardingTransport(comm::open_transport("loopback", {.self = self}).value()) {}

  std::int64_t time_us = 1'000'000;
  std::int64_t waited_us = -1;  // what the last wait() was given

  std::int64_t now_us() const override { return time_us; }
  void wait(std::chrono::milliseconds timeout) override {
    waited_us = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
  }
};

struct Pair {
  Cluster worker;
  HandClock* clock = nullptr;  // the worker's
  std::unique_ptr<comm::Transport> router;

  Pair() {
    auto transport = std::make_unique<HandClock>(1);
    clock = transport.get();
    worker.self = 1;
    worker.router = 0;
    worker.transport = std::move(transport);
    router = comm::open_transport("loopback", {.self = 0}).value();
    EXPECT_TRUE(worker.transport->connect(0, router->address()).has_value());
    EXPECT_TRUE(router->connect(1, worker.transport->address()).has_value());
  }
  void send(MessageType type) {
    EXPECT_TRUE(router->send(1, static_cast<std::uint16_t>(type), {}).has_value());
  }
  // What came to the router, beats aside.
  std::vector<comm::Completion> received() {
    std::vector<comm::Completion> completions(8);
    completions.resize(router->poll(completions));
    std::erase_if(completions, [&](const comm::Completion& completion) {
      const bool is_beat = completion.type == static_cast<std::uint16_t>(MessageType::kBeat);
      if (is_beat) beats.push_back(BeatMessage::decode(completion.payload).value());
      return is_beat;
    });
    return completions;
  }
  void answer(const BeatMessage& beat) {
    const auto type = static_cast<std::uint16_t>(MessageType::kBeat);
    EXPECT_TRUE(router->send(1, type, BeatMessage{beat.sent_us, true}.encode()).has_value());
  }

  std::vector<BeatMessage> beats;
};

TEST(WorkerNode, HandsOutMessagesUntilTheRouterSaysStop) {
  Pair pair;
  CountingNode node(pair.worker);
  pair.send(MessageType::kCancel);
  pair.send(MessageType::kSubmit);
  pair.send(MessageType::kShutdown);
  EXPECT_FALSE(node.turn());
  EXPECT_TRUE(node.end());
  EXPECT_EQ(node.messages, (std::vector<MessageType>{MessageType::kCancel, MessageType::kSubmit}));
  EXPECT_EQ(node.turns, 1);  // what came with the shutdown had its turn
}

TEST(WorkerNode, EndsWhenItIsDrainedAndKnowsWhatForThen) {
  Pair pair;
  CountingNode node(pair.worker);
  EXPECT_TRUE(node.turn());
  EXPECT_FALSE(node.drained_as().has_value());
  const auto type = static_cast<std::uint16_t>(MessageType::kDrain);
  EXPECT_TRUE(pair.router->send(1, type, {}).has_value());  // no drain's bytes
  EXPECT_TRUE(pair.router->send(1, type, DrainMessage{Role::kRouter}.encode()).has_value());
  EXPECT_TRUE(node.turn());
  EXPECT_TRUE(pair.router->send(1, type, DrainMessage{Role::kDecode}.encode()).has_value());
  EXPECT_FALSE(node.turn());
  EXPECT_TRUE(node.end());
  EXPECT_EQ(node.drained_as(), Role::kDecode);
  const auto last = pair.received();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].type, static_cast<std::uint16_t>(MessageType::kGoodbye));
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

TEST(WorkerNode, ARouterEndsWithoutGoodbye) {
  Pair pair;
  pair.worker.router = 1;
  CountingNode node(pair.worker);
  node.end_loop();
  EXPECT_FALSE(node.turn());
  EXPECT_TRUE(pair.received().empty());
}

TEST(WorkerNode, GoodbyeIsSaidOnce) {
  Pair pair;
  CountingNode node(pair.worker);
  node.end_loop();
  EXPECT_FALSE(node.turn());
  EXPECT_FALSE(node.turn());
  EXPECT_EQ(pair.received().size(), 1U);
}

TEST(WorkerNode, BeatsAreEchoedAtOnce) {
  Pair pair;
  CountingNode node(pair.worker);
  const auto type = static_cast<std::uint16_t>(MessageType::kBeat);
  EXPECT_TRUE(pair.router->send(1, type, BeatMessage{77, false}.encode()).has_value());
  EXPECT_TRUE(node.turn());
  EXPECT_TRUE(pair.received().empty());
  ASSERT_EQ(pair.beats.size(), 2U);
  EXPECT_EQ(pair.beats[0].sent_us, 77);
  EXPECT_TRUE(pair.beats[0].is_echo);
  EXPECT_FALSE(pair.beats[1].is_echo);  // the worker's own: it watches its router
  EXPECT_TRUE(node.messages.empty());
}

TEST(WorkerNode, EchoesGiveTheRoundTripUnlessTheyAreStale) {
  Pair pair;
  CountingNode node(pair.worker);
  EXPECT_TRUE(node.turn());
  (void)pair.received();
  ASSERT_EQ(pair.beats.size(), 1U);
  pair.answer(pair.beats[0]);
  pair.clock->time_us += 350;
  EXPECT_TRUE(node.turn());
  EXPECT_EQ(node.round_trips_us, std::vector<std::int64_t>{350});
  pair.answer(pair.beats[0]);
  pair.clock->time_us += 5'000'000;
  pair.answer({pair.clock->time_us + 1, true});  // one from the future
  EXPECT_TRUE(node.turn());
  EXPECT_EQ(node.round_trips_us.size(), 1U);
}

TEST(WorkerNode, ASilentPeerIsNewsOnceAndComesBackWithAnyMessage) {
  Pair pair;
  CountingNode node(pair.worker);
  for (int step = 0; step < 12; ++step) {
    EXPECT_TRUE(node.turn());
    pair.clock->time_us += 100'000;
  }
  EXPECT_EQ(node.silent, std::vector<comm::NodeId>{0});
  EXPECT_TRUE(node.back.empty());
  pair.send(MessageType::kCancel);
  EXPECT_TRUE(node.turn());
  EXPECT_EQ(node.back, std::vector<comm::NodeId>{0});
  EXPECT_EQ(node.silent.size(), 1U);
}

TEST(WorkerNode, RestsUntilTheNextBeatIsDueAndNotAfterAMessage) {
  Pair pair;
  CountingNode node(pair.worker);
  EXPECT_TRUE(node.turn());
  pair.clock->time_us += 150'500;
  EXPECT_TRUE(node.turn());
  node.rest();
  EXPECT_EQ(pair.clock->waited_us, 50'000);
  pair.clock->waited_us = -1;
  pair.send(MessageType::kCancel);
  EXPECT_TRUE(node.turn());
  node.rest();
  EXPECT_EQ(pair.clock->waited_us, -1);
}

TEST(WorkerNode, TheRouterSaysWhoHasJoined) {
  Pair pair;
  pair.worker.hellos.resize(3);
  pair.worker.hellos[1].role = Role::kPrefill;
  pair.worker.hellos[2].role = Role::kDecode;
  const auto newcomer = comm::open_transport("loopback", {.self = 2}).value();
  const auto region = newcomer->allocate(4096, comm::MemoryKind::kHost).value();
  Hello hello = pair.worker.hellos[2];
  hello.incarnation = 2;
  hello.address = newcomer->address();
  hello.arena_key = newcomer->export_region(region).value();
  CountingNode node(pair.worker);
  const auto type = static_cast<std::uint16_t>(MessageType::kJoined);
  const auto say = [&](const Hello& said) {
    const JoinedMessage joined{2, said.encode()};
    EXPECT_TRUE(pair.router->send(1, type, joined.encode()).has_value());
    EXPECT_TRUE(node.turn());
  };
  say(hello);
  EXPECT_TRUE(node.joined.empty());  // the end of the process before may be about to be seen
  pair.clock->time_us += 300'000;
  EXPECT_TRUE(node.turn());
  EXPECT_EQ(node.joined, std::vector<comm::NodeId>{2});
  EXPECT_EQ(pair.worker.hellos[2].incarnation, 2U);
  EXPECT_EQ(pair.worker.arenas.at(2).bytes, 4096U);
  say(hello);  // late and twice: it changes nothing
  pair.clock->time_us += 300'000;
  EXPECT_TRUE(node.turn());
  EXPECT_EQ(node.joined.size(), 1U);
  EXPECT_TRUE(node.messages.empty());
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

TEST(WorkerNode, WhoIsProvenGoneIsReplacedAtOnce) {
  Pair pair;
  pair.worker.hellos.resize(3);
  pair.worker.hellos[1].role = Role::kPrefill;
  pair.worker.hellos[2].role = Role::kPrefill;
  auto old = comm::open_transport("loopback", {.self = 2}).value();
  EXPECT_TRUE(pair.worker.transport->connect(2, old->address()).has_value());
  const auto newcomer = comm::open_transport("loopback", {.self = 2}).value();
  Hello hello = pair.worker.hellos[2];
  hello.incarnation = 2;
  hello.address = newcomer->address();
  const auto type = static_cast<std::uint16_t>(MessageType::kJoined);
  EXPECT_TRUE(pair.router->send(1, type, JoinedMessage{2, hello.encode()}.encode()).has_value());
  CountingNode node(pair.worker);
  EXPECT_TRUE(node.turn());
  EXPECT_TRUE(node.joined.empty());
  old.reset();
  EXPECT_TRUE(node.turn());
  EXPECT_EQ(node.lost, std::vector<comm::NodeId>{2});  // the old one, before the new one is known
  EXPECT_EQ(node.joined, std::vector<comm::NodeId>{2});
}

}  // namespace
}  // namespace sluice::runtime
