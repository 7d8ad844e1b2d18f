// SPDX-License-Identifier: Apache-2.0
// A rank of a cluster that the test plays towards the one worker under test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "comm/registry.hpp"
#include "runtime/transfer/cluster.hpp"

namespace sluice::tests {

class PlayedPeer {
 public:
  explicit PlayedPeer(comm::NodeId self)
      : transport_(comm::open_transport("loopback", {.self = self}).value()) {}

  // Connects both ways; the worker's transport must be open.
  void meet(const runtime::Cluster& worker) {
    worker_ = worker.self;
    EXPECT_TRUE(transport_->connect(worker_, worker.transport->address()).has_value());
    EXPECT_TRUE(worker.transport->connect(transport_->self(), transport_->address()).has_value());
  }

  void send(runtime::MessageType type, Bytes payload) {
    EXPECT_TRUE(transport_->send(worker_, static_cast<std::uint16_t>(type), payload).has_value());
  }

  // The worker's next message; its beats are answered, and what it tells of itself is kept apart.
  comm::Completion next() {
    std::vector<comm::Completion> one(1);
    for (int turn = 0; turn < kTurnsMax; ++turn) {
      while (transport_->poll(one) == 1) {
        if (is_for_test(one[0])) return std::move(one[0]);
      }
      transport_->wait(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "no message came";
    return {};
  }

  // The payload of the next message, which must be of this type.
  std::vector<std::byte> next(runtime::MessageType type) {
    comm::Completion message = next();
    EXPECT_EQ(static_cast<runtime::MessageType>(message.type), type);
    return std::move(message.payload);
  }

  // Takes in what the worker has told of itself; nothing else may have come.
  void hear() {
    std::vector<comm::Completion> one(1);
    while (transport_->poll(one) == 1) {
      EXPECT_FALSE(is_for_test(one[0])) << "a message of type " << one[0].type;
    }
  }

  std::vector<runtime::StatusMessage> statuses;
  std::vector<runtime::PrefixesMessage> prefixes;

  comm::Transport* operator->() { return transport_.get(); }

 private:
  bool is_for_test(const comm::Completion& completion) {
    if (completion.kind != comm::CompletionKind::kMessage) return false;
    switch (static_cast<runtime::MessageType>(completion.type)) {
      case runtime::MessageType::kBeat:
        answer(completion.payload);
        return false;
      case runtime::MessageType::kStatus:
        statuses.push_back(runtime::StatusMessage::decode(completion.payload).value());
        return false;
      case runtime::MessageType::kPrefixes:
        prefixes.push_back(runtime::PrefixesMessage::decode(completion.payload).value());
        return false;
      default:
        return true;
    }
  }

  void answer(Bytes payload) {
    auto beat = runtime::BeatMessage::decode(payload);
    if (!beat || beat->is_echo) return;
    beat->is_echo = true;
    send(runtime::MessageType::kBeat, beat->encode());
  }

  static constexpr int kTurnsMax = 500;  // 10 s

  comm::NodeId worker_ = 0;
  std::unique_ptr<comm::Transport> transport_;
};

}  // namespace sluice::tests
