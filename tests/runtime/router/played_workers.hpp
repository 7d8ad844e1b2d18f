// SPDX-License-Identifier: Apache-2.0
// A router in a simulated world, and workers that the test plays: two of each role.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "comm/sim/sim.hpp"
#include "runtime/router/router.hpp"

namespace sluice::tests {

// A message that came to a worker.
struct Heard {
  comm::NodeId worker = 0;
  runtime::MessageType type = runtime::MessageType::kBeat;
  std::vector<std::byte> payload;
};

struct PlayedOptions {
  runtime::RouterOptions router = {};                   // its limits are the played model's
  std::unique_ptr<scheduler::Policy> policy = nullptr;  // null: least_loaded
  std::uint64_t pipeline_hash = 0;                      // of the cluster
};

class PlayedWorkers {
 public:
  static constexpr comm::NodeId kRouter = 0;

  // Ranks 1 and 2 prefill, 3 and 4 decode; all have said that they are ready.
  explicit PlayedWorkers(PlayedOptions played = {}) : world_(comm::sim::make_world({})) {
    for (comm::NodeId node = 0; node < 5; ++node) transports_.push_back(open(node));
    cluster_.router = kRouter;
    for (comm::NodeId node = 0; node < 5; ++node) {
      runtime::Hello hello;
      hello.role = node == 0  ? runtime::Role::kRouter
                   : node < 3 ? runtime::Role::kPrefill
                              : runtime::Role::kDecode;
      hello.address = transports_[node]->address();
      hello.pipeline_hash = played.pipeline_hash;
      cluster_.hellos.push_back(hello);
      if (node == kRouter) continue;
      meet(node, *transports_[node]);
      EXPECT_TRUE(transports_[0]->connect(node, hello.address).has_value());
    }
    cluster_.transport = std::move(transports_[0]);
    runtime::RouterOptions options = std::move(played.router);
    options.limits = {1000, 100};
    options.on_worker_change = [this](const std::string& text) { changes.push_back(text); };
    auto policy = played.policy != nullptr ? std::move(played.policy)
                                           : scheduler::create_policy("least_loaded").value();
    router = std::make_unique<runtime::Router>(cluster_, std::move(policy), std::move(options));
    router->begin();
    for (comm::NodeId node = 1; node < 5; ++node) say_ready(node);
    run_for(10'000);
  }

  // Lets virtual time pass, and all who are neither muted nor dead answer beats.
  void run_for(std::int64_t us) {
    bool is_over = false;
    world_->at(world_->now_us() + us, [&] { is_over = true; });
    while (!is_over) {
      if (is_running) is_running = router->turn();
      if (is_running) router->rest();
      if (!is_running) drain(*cluster_.transport);  // time stands still for what nobody takes
      for (comm::NodeId node = 1; node < 5; ++node) {
        if (transports_[node] != nullptr) listen(node);
      }
      ASSERT_TRUE(world_->advance());
    }
  }

  template <class Message>
  void say(comm::NodeId worker, runtime::MessageType type, const Message& message) {
    EXPECT_TRUE(transports_[worker]
                    ->send(kRouter, static_cast<std::uint16_t>(type), message.encode())
                    .has_value());
  }
  void say_ready(comm::NodeId worker) {
    say(worker, runtime::MessageType::kLoading, runtime::LoadingMessage{1.0, true, ""});
  }
  void say_token(comm::NodeId worker, runtime::RequestId request, std::int64_t index,
                 runtime::FinishReason finish = runtime::FinishReason::kNone) {
    const auto token = static_cast<runtime::TokenId>(10 + index);
    say(worker, runtime::MessageType::kToken,
        runtime::TokenMessage{request, index, token, finish, {}});
  }
  void say_failed(comm::NodeId worker, runtime::RequestId request, ErrorCode code) {
    say(worker, runtime::MessageType::kFailed, runtime::FailedMessage{request, code, "the reason"});
  }
  void kill(comm::NodeId worker) { transports_[worker].reset(); }

  // Another process behind a rank that was killed: what it would say of itself.
  runtime::Hello start_again(comm::NodeId worker) {
    transports_[worker] = open(worker);
    runtime::Hello hello = cluster_.hellos[worker];
    hello.address = transports_[worker]->address();
    meet(worker, *transports_[worker]);
    return hello;
  }

  // The submissions that came since the last call, with the worker that got them.
  std::vector<std::pair<comm::NodeId, runtime::SubmitMessage>> take_submits() {
    std::vector<std::pair<comm::NodeId, runtime::SubmitMessage>> submits;
    std::erase_if(heard, [&](const Heard& one) {
      if (one.type != runtime::MessageType::kSubmit) return false;
      submits.emplace_back(one.worker, runtime::SubmitMessage::decode(one.payload).value());
      return true;
    });
    return submits;
  }
  // Who was told to cancel the request, in order.
  std::vector<comm::NodeId> cancelled(runtime::RequestId request) const {
    std::vector<comm::NodeId> nodes;
    for (const Heard& one : heard) {
      if (one.type == runtime::MessageType::kCancel &&
          runtime::CancelMessage::decode(one.payload)->request == request) {
        nodes.push_back(one.worker);
      }
    }
    std::sort(nodes.begin(), nodes.end());
    return nodes;
  }
  std::size_t count(comm::NodeId worker, runtime::MessageType type) const {
    return static_cast<std::size_t>(
        std::count_if(heard.begin(), heard.end(),
                      [&](const Heard& one) { return one.worker == worker && one.type == type; }));
  }

  static runtime::GenerateRequest request_of(std::size_t prompt_tokens) {
    runtime::GenerateRequest request;
    for (std::size_t i = 0; i < prompt_tokens; ++i) {
      request.prompt.push_back(static_cast<runtime::TokenId>(1 + i % 90));
    }
    request.tokens_max = 8;
    return request;
  }
  std::unique_ptr<runtime::GenerateStream> submit(runtime::GenerateRequest request) {
    return std::move(router->submit(std::move(request)).value());
  }
  std::unique_ptr<runtime::GenerateStream> submit() { return submit(request_of(3)); }

  std::set<comm::NodeId> muted;
  std::vector<Heard> heard;  // beats aside
  std::vector<std::string> changes;
  std::unique_ptr<runtime::Router> router;
  bool is_running = true;

 private:
  std::unique_ptr<comm::Transport> open(comm::NodeId node) {
    return comm::sim::open_sim_on(world_, {.self = node}).value();
  }
  void meet(comm::NodeId node, comm::Transport& worker) {
    const auto& router_transport = transports_[0] != nullptr ? transports_[0] : cluster_.transport;
    EXPECT_EQ(worker.self(), node);
    EXPECT_TRUE(worker.connect(kRouter, router_transport->address()).has_value());
  }
  static void drain(comm::Transport& transport) {
    std::vector<comm::Completion> one(1);
    while (transport.poll(one) == 1) {
    }
  }
  void listen(comm::NodeId node) {
    std::vector<comm::Completion> one(1);
    while (transports_[node]->poll(one) == 1) {
      if (one[0].kind != comm::CompletionKind::kMessage) continue;
      const auto type = static_cast<runtime::MessageType>(one[0].type);
      if (type != runtime::MessageType::kBeat) {
        heard.push_back({node, type, std::move(one[0].payload)});
      } else if (!muted.contains(node)) {
        auto beat = runtime::BeatMessage::decode(one[0].payload).value();
        beat.is_echo = true;
        say(node, type, beat);
      }
    }
  }

  std::shared_ptr<comm::sim::World> world_;
  std::vector<std::unique_ptr<comm::Transport>> transports_;  // the router's: the cluster's
  runtime::Cluster cluster_;
};

}  // namespace sluice::tests
