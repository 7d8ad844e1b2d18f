// SPDX-License-Identifier: Apache-2.0
// The transfer engines against each other over simulated links: fairness, back-pressure, damage,
// and seeds that draw faults at random.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "comm/sim/random.hpp"
#include "tests/simulation/engine_world.hpp"

namespace sluice::tests {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

bool all_ended(const EngineWorld& engines) {
  return std::all_of(engines.senders.begin(), engines.senders.end(),
                     [](const auto& sender) { return sender->open() == 0; });
}

// Jain, Chiu, Hawe 1984: 1 when all have the same, 1/n when one has it all.
double fairness(const std::vector<double>& shares) {
  double sum = 0;
  double squares = 0;
  for (const double share : shares) {
    sum += share;
    squares += share * share;
  }
  return sum * sum / (squares * static_cast<double>(shares.size()));
}

TEST(EngineSimulation, EightSendersToOneReceiverAllKeepMoving) {
  constexpr comm::NodeId kSenders = 8;
  EngineWorld engines({.seed = 1, .link = {.bytes_per_s = 1e9}}, kSenders, 16 * kMiB, 1,
                      {.arena_bytes = 8 * kMiB, .slot_bytes_max = kMiB});
  engines.world->set_port(kSenders, 1e9);
  for (comm::NodeId sender = 0; sender < kSenders; ++sender) {
    for (runtime::RequestId request = 1; request <= 4; ++request) {
      engines.senders[sender]->submit({sender * 100 + request, kSenders, 8, 100'000, 20});
    }
  }
  constexpr std::int64_t kSliceUs = 8000;
  std::vector<std::vector<double>> slices;
  const std::function<void()> sample = [&] {
    std::vector<double> landed;
    for (comm::NodeId sender = 0; sender < kSenders; ++sender) {
      landed.push_back(static_cast<double>(engines.world->landed_bytes(sender, kSenders)));
    }
    slices.push_back(landed);
    if (!all_ended(engines)) engines.world->at(engines.world->now_us() + kSliceUs, sample);
  };
  engines.world->at(engines.world->now_us(), sample);
  ASSERT_TRUE(engines.run([&] { return all_ended(engines); }));
  EXPECT_EQ(engines.receivers[0]->completed.size(), 4U * kSenders);
  EXPECT_EQ(engines.receivers[0]->wrong_bytes, 0U);

  // While all have something to send: until the first has sent half of its last handoff.
  constexpr double kMostBytes = 3.5 * 8 * kEngineLayers * 100'000;
  std::size_t contested = 0;
  std::size_t last = 0;
  for (std::size_t i = 1; i < slices.size(); ++i) {
    if (*std::max_element(slices[i].begin(), slices[i].end()) > kMostBytes) break;
    // At first some had the whole arena before others asked.
    if (contested == 0 && *std::min_element(slices[i].begin(), slices[i].end()) == 0.0) continue;
    ++contested;
    last = i;
    for (comm::NodeId sender = 0; sender < kSenders; ++sender) {
      EXPECT_GT(slices[i][sender], slices[i - 1][sender])
          << "sender " << sender << " stood still in slice " << i;
    }
  }
  ASSERT_GT(contested, 6U);
  EXPECT_GT(fairness(slices[last]), 0.95);
}

TEST(EngineSimulation, ASlowReceiverHoldsItsSendersBack) {
  EngineWorld engines({.seed = 2, .link = {.bytes_per_s = 5e9}}, 3, 8 * kMiB, 1,
                      {.arena_bytes = kMiB, .slot_bytes_max = kMiB / 2, .frame_us = 500});
  for (comm::NodeId sender = 0; sender < 3; ++sender) {
    for (runtime::RequestId request = 1; request <= 4; ++request) {
      engines.senders[sender]->submit({sender * 100 + request, 3, 6, 80'000, 0});
    }
  }
  std::size_t most = 0;
  ASSERT_TRUE(engines.run([&] {
    most = std::max(most, engines.receivers[0]->engine().memory().taken_bytes);
    return all_ended(engines);
  }));
  EXPECT_LE(most, kMiB);
  EXPECT_GT(most, kMiB / 2);
  EXPECT_EQ(engines.receivers[0]->completed.size(), 12U);
  EXPECT_EQ(engines.receivers[0]->again, 0U);  // a frame that is overwritten too early shows here
  EXPECT_EQ(engines.receivers[0]->wrong_bytes, 0U);
  // All of it is far more than the arena.
  EXPECT_GT(engines.world->landed_bytes(0, 3), 7 * kMiB);
  // The sink's time is what it took: nobody waited for anything else.
  EXPECT_LT(engines.world->now_us(), 1'000'000 + 12 * 24 * 500 * 11 / 10);
}

TEST(EngineSimulation, DamagedFramesComeAgainOnceAndAreNeverTaken) {
  std::size_t whole = 0;
  std::size_t failed = 0;
  std::size_t again = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    EngineWorld engines({.seed = seed, .link = {.jitter_us = 50}, .corrupt_write_chance = 0.04}, 2,
                        8 * kMiB, 2, {.arena_bytes = 2 * kMiB});
    for (runtime::RequestId request = 1; request <= 6; ++request) {
      engines.senders[request % 2]->submit(
          {request, static_cast<comm::NodeId>(2 + request / 2 % 2), 4, 20'000, 30});
    }
    engines.run([] { return false; });
    ASSERT_TRUE(all_ended(engines)) << "seed " << seed;
    for (const auto& sender : engines.senders) {
      EXPECT_EQ(sender->engine().staging_bytes_taken(), 0U);
      for (const auto& [request, status] : sender->ended()) {
        whole += status ? 1 : 0;
        if (status) continue;
        ++failed;
        EXPECT_EQ(status.error().code, ErrorCode::kCorrupt) << status.error().message;
      }
    }
    for (const auto& receiver : engines.receivers) {
      EXPECT_EQ(receiver->wrong_bytes, 0U);
      EXPECT_EQ(receiver->engine().memory().taken_bytes, 0U);
      again += receiver->again;
    }
  }
  EXPECT_EQ(whole + failed, 120U);
  EXPECT_GT(again, failed);
  EXPECT_GT(whole, 60U);
}

// What a seed draws: who talks to whom, over which links, and what goes wrong when.
class RandomEngines {
 public:
  explicit RandomEngines(std::uint64_t seed)
      : random_(seed * 2 + 1),
        corrupt_chance_(random_.chance(0.3) ? 0.02 : 0.0),
        senders_(static_cast<comm::NodeId>(random_.between(1, 3))),
        receivers_(static_cast<comm::NodeId>(random_.between(1, 3))),
        engines_({.seed = seed, .link = link(), .corrupt_write_chance = corrupt_chance_}, senders_,
                 kMiB, receivers_,
                 {.arena_bytes = static_cast<std::size_t>(random_.between(64, 1024)) << 10,
                  .slot_bytes_max = static_cast<std::size_t>(random_.between(16, 512)) << 10,
                  .frame_us = random_.chance(0.3) ? 200 : 0}) {
    const std::int64_t requests = random_.between(4, 12);
    for (std::int64_t request = 1; request <= requests; ++request) plan(request);
    const std::int64_t faults = random_.between(0, 4);
    for (std::int64_t i = 0; i < faults; ++i) plan_fault();
  }

  void run_and_check() {
    const bool is_over = engines_.run([&] { return false; }) || all_over();
    EXPECT_TRUE(is_over) << "something waits for ever";
    for (const auto& [request, at] : places_) check(request, at);
    for (const auto& sender : engines_.senders) {
      if (!engines_.is_alive(sender->transport().self())) continue;
      EXPECT_EQ(sender->engine().staging_bytes_taken(), 0U) << "staging memory leaks";
    }
    for (const auto& receiver : engines_.receivers) {
      EXPECT_EQ(receiver->wrong_bytes, 0U);
      // Else one writer's bytes have landed on another's.
      EXPECT_TRUE(receiver->again == 0 || corrupt_chance_ > 0)
          << receiver->again << " were damaged";
      if (!engines_.is_alive(receiver->transport().self())) continue;
      const runtime::ReceiveEngine::Memory memory = receiver->engine().memory();
      EXPECT_EQ(memory.taken_bytes, 0U) << memory.quarantined_bytes << " in quarantine";
      EXPECT_EQ(memory.waiting, 0U);
      EXPECT_TRUE(receiver->opened.empty());
    }
  }

 private:
  struct Place {
    comm::NodeId sender = 0;
    comm::NodeId receiver = 0;
  };

  comm::sim::LinkModel link() {
    constexpr double kRates[] = {6.25e6, 125e6, 1.25e9, 10e9};
    return {.bytes_per_s = kRates[random_.below(4)],
            .delay_us = random_.between(1, 200),
            .jitter_us = random_.between(0, 400)};
  }
  void plan(std::int64_t request) {
    const auto id = static_cast<runtime::RequestId>(request);
    const Place place{static_cast<comm::NodeId>(random_.below(senders_)),
                      static_cast<comm::NodeId>(senders_ + random_.below(receivers_))};
    places_[id] = place;
    const HandoffPlan handoff{id, place.receiver, random_.between(1, 8),
                              static_cast<std::size_t>(random_.between(100, 16'000)),
                              random_.between(0, 500)};
    at(random_.between(0, 20'000),
       [this, place, handoff] { engines_.senders[place.sender]->submit(handoff); });
    if (random_.chance(0.15)) {
      cancelled_.insert(id);
      at(random_.between(0, 40'000), [this, id, place] {
        engines_.senders[place.sender]->engine().abort(id, make_error(ErrorCode::kCancelled, ""));
      });
    }
    if (random_.chance(0.15)) {
      cancelled_.insert(id);
      at(random_.between(0, 40'000),
         [this, id, place] { engines_.receiver(place.receiver).engine().cancel(id); });
    }
  }
  void plan_fault() {
    const auto node = static_cast<comm::NodeId>(random_.below(senders_ + receivers_));
    const std::int64_t when_us = random_.between(0, 40'000);
    const std::int64_t end_us = when_us + random_.between(1, 30'000);
    switch (random_.below(3)) {
      case 0:
        return at(when_us, [this, node] { engines_.kill(node); });
      case 1:
        at(when_us, [this, node] { engines_.set_frozen(node, true); });
        return at(end_us, [this, node] { engines_.set_frozen(node, false); });
      default:
        const auto sender = static_cast<comm::NodeId>(random_.below(senders_));
        const auto receiver = static_cast<comm::NodeId>(senders_ + random_.below(receivers_));
        at(when_us, [=, this] { engines_.world->set_partition(sender, receiver, true); });
        at(end_us, [=, this] { engines_.world->set_partition(sender, receiver, false); });
    }
  }
  void at(std::int64_t after_us, std::function<void()> act) {
    engines_.world->at(engines_.world->now_us() + after_us, std::move(act));
  }
  bool all_over() const {
    return std::all_of(engines_.senders.begin(), engines_.senders.end(), [&](const auto& sender) {
      return sender->open() == 0 || !engines_.is_alive(sender->transport().self());
    });
  }
  void check(runtime::RequestId request, const Place& place) {
    const ReceiveNode& receiver = engines_.receiver(place.receiver);
    const bool is_complete = receiver.completed.contains(request);
    EXPECT_FALSE(is_complete && receiver.dropped.contains(request)) << "both ends of " << request;
    EXPECT_TRUE(!is_complete || receiver.completed.at(request) == 1) << request;
    if (!engines_.is_alive(place.sender)) return;
    const auto& ended = engines_.senders[place.sender]->ended();
    const auto found = ended.find(request);
    ASSERT_NE(found, ended.end()) << "request " << request << " never ended at its sender";
    if (found->second) {
      EXPECT_TRUE(is_complete) << request;
      return;
    }
    const ErrorCode code = found->second.error().code;
    const bool is_explained = cancelled_.contains(request) || !engines_.is_alive(place.receiver) ||
                              (code == ErrorCode::kCorrupt && receiver.again > 0);
    EXPECT_TRUE(is_explained) << "request " << request << ": " << found->second.error().message;
  }

  comm::sim::SeededRandom random_;
  double corrupt_chance_;
  comm::NodeId senders_;
  comm::NodeId receivers_;
  EngineWorld engines_;
  std::map<runtime::RequestId, Place> places_;
  std::set<runtime::RequestId> cancelled_;
};

TEST(EngineSimulation, SeedsOfRandomFaultsLeaveNothingBehind) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomEngines(seed).run_and_check();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace sluice::tests
