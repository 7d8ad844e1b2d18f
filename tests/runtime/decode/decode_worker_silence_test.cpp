// SPDX-License-Identifier: Apache-2.0
// A decode worker whose prefill worker falls silent, in virtual time.
#include <functional>

#include "comm/sim/sim.hpp"
#include "runtime/decode/decode_worker.hpp"
#include "tests/runtime/decode/decode_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::kDecodeNode;
using testing::kPrefillNode;
using testing::kRouterNode;

// Beats are answered, as every process does; other messages than statuses are kept.
class SimulatedPeer {
 public:
  SimulatedPeer(const std::shared_ptr<comm::sim::World>& world, comm::NodeId self)
      : transport_(comm::sim::open_sim_on(world, {.self = self}).value()) {}

  void meet(comm::Transport& other) {
    EXPECT_TRUE(transport_->connect(other.self(), other.address()).has_value());
    EXPECT_TRUE(other.connect(transport_->self(), transport_->address()).has_value());
  }
  void send(MessageType type, Bytes payload) {
    EXPECT_TRUE(
        transport_->send(kDecodeNode, static_cast<std::uint16_t>(type), payload).has_value());
  }
  void turn() {
    std::vector<comm::Completion> one(1);
    while (transport_->poll(one) == 1) {
      if (one[0].kind != comm::CompletionKind::kMessage) continue;
      if (static_cast<MessageType>(one[0].type) == MessageType::kStatus) continue;
      if (static_cast<MessageType>(one[0].type) != MessageType::kBeat) {
        messages.push_back(std::move(one[0]));
        continue;
      }
      auto beat = BeatMessage::decode(one[0].payload).value();
      if (beat.is_echo) continue;
      beat.is_echo = true;
      send(MessageType::kBeat, beat.encode());
    }
    transport_->wait(std::chrono::milliseconds(10));
  }
  std::size_t count(MessageType type) const {
    return static_cast<std::size_t>(
        std::count_if(messages.begin(), messages.end(), [&](const comm::Completion& message) {
          return static_cast<MessageType>(message.type) == type;
        }));
  }

  std::vector<comm::Completion> messages;

 private:
  std::unique_ptr<comm::Transport> transport_;
};

class DecodeWorkerSilence : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.self = kDecodeNode;
    cluster_.router = kRouterNode;
    cluster_.transport = comm::sim::open_sim_on(world_, {.self = kDecodeNode}).value();
    cluster_.memory = cluster_.transport->allocate(4096, comm::MemoryKind::kHost).value();
    router_.meet(*cluster_.transport);
    prefill_.meet(*cluster_.transport);
    DecodeWorkerOptions options;
    options.vocab = testing::kVocab;
    options.codec_threads = 0;
    options.warn = [this](const std::string& what) { warnings_.push_back(what); };
    worker_ = std::make_unique<DecodeWorker>(
        cluster_, options, decoder_, KvPool::create(cache_.shape, 4).value(),
        [](KvPool&, std::function<void(DecodeEvent)> emit) {
          return std::make_unique<testing::CountingCompute>(std::move(emit));
        });
  }
  void run_for(std::int64_t time_us) {
    const std::int64_t end_us = world_->now_us() + time_us;
    while (world_->now_us() < end_us) {
      worker_->turn();
      worker_->rest();
      router_.turn();
      prefill_.turn();
      ASSERT_TRUE(world_->advance());
    }
  }
  void want(RequestId id) {
    const WantMessage message{id, testing::kTokens, 3, 4096, 4096, {0, 4, 0, 2}, 1, 0, {}};
    prefill_.send(MessageType::kWant, message.encode());
  }

  testing::FramedCache cache_;
  const kernels::FrameDecoder decoder_{cache_.cache_shape, nullptr};
  std::shared_ptr<comm::sim::World> world_ = comm::sim::make_world({});
  Cluster cluster_;
  SimulatedPeer router_{world_, kRouterNode};
  SimulatedPeer prefill_{world_, kPrefillNode};
  std::vector<std::string> warnings_;
  std::unique_ptr<DecodeWorker> worker_;
};

TEST_F(DecodeWorkerSilence, RequestsDoNotWaitForAFrozenWriterButItsSlotDoes) {
  want(1);
  run_for(1'500'000);
  ASSERT_EQ(prefill_.count(MessageType::kGrant), 1U);
  EXPECT_EQ(router_.count(MessageType::kFailed), 0U);  // it answers beats
  world_->set_frozen(kPrefillNode, true);
  run_for(1'000'000);
  ASSERT_EQ(router_.count(MessageType::kFailed), 1U);
  const auto failed = FailedMessage::decode(router_.messages.back().payload);
  EXPECT_EQ(failed->request, 1U);
  EXPECT_EQ(failed->code, ErrorCode::kUnavailable);
  EXPECT_EQ(worker_->free_blocks(), 4);
  EXPECT_EQ(worker_->memory().quarantined_bytes, 4096U);
  // It goes on, hears of the end, and says its last word.
  world_->set_frozen(kPrefillNode, false);
  run_for(500'000);
  EXPECT_GE(prefill_.count(MessageType::kFailed), 1U);
  EXPECT_EQ(worker_->memory().quarantined_bytes, 4096U);
  prefill_.send(MessageType::kFailed, FailedMessage{1, ErrorCode::kCancelled, "over"}.encode());
  run_for(10'000);
  EXPECT_EQ(worker_->memory().taken_bytes, 0U);
  want(2);
  run_for(10'000);
  EXPECT_EQ(prefill_.count(MessageType::kGrant), 2U);
}

TEST_F(DecodeWorkerSilence, AWriterWithoutHandoffsIsNotWatched) {
  want(1);
  run_for(10'000);
  prefill_.send(MessageType::kFailed, FailedMessage{1, ErrorCode::kCancelled, "over"}.encode());
  run_for(10'000);
  world_->set_frozen(kPrefillNode, true);
  run_for(2'000'000);
  EXPECT_EQ(router_.count(MessageType::kFailed), 0U);
}

TEST_F(DecodeWorkerSilence, AnArenaInQuarantineIsToldOnce) {
  want(1);
  run_for(10'000);
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  run_for(9'000'000);
  EXPECT_TRUE(warnings_.empty());
  run_for(3'000'000);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("decode.arena_memory"), std::string::npos) << warnings_[0];
  run_for(20'000'000);
  EXPECT_EQ(warnings_.size(), 1U);
}

TEST_F(DecodeWorkerSilence, AKilledWritersSlotIsFreeAtOnce) {
  want(1);
  run_for(10'000);
  world_->kill(kPrefillNode);
  run_for(300'000);
  EXPECT_EQ(router_.count(MessageType::kFailed), 1U);
  EXPECT_EQ(worker_->memory().taken_bytes, 0U);
}

}  // namespace
}  // namespace sluice::runtime
