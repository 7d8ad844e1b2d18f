// SPDX-License-Identifier: Apache-2.0
// What the communication threads of all roles do alike: poll, hand out messages, sleep, stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/transfer/cluster.hpp"

namespace sluice::runtime {

class WorkerNode {
 public:
  explicit WorkerNode(Cluster& cluster) : cluster_(cluster), completions_(kBatch) {}
  virtual ~WorkerNode() = default;
  WorkerNode(const WorkerNode&) = delete;
  WorkerNode& operator=(const WorkerNode&) = delete;

 protected:
  // Until end_loop(). Sleeps when nothing came in.
  void loop();

  // A worker's life: the loop, which the router also ends by saying stop or by being gone
  // (kUnavailable), then goodbye. What end_loop() was told.
  Status serve();

  // Ends the loop after the turn that is under way. The first error stays.
  void end_loop(Status why = {});

  // What ends the loop of a worker, the router's shutdown or loss, is not handed on.
  virtual void on_message(comm::NodeId peer, MessageType type, Bytes payload) = 0;
  virtual void on_operation(comm::OperationId operation, const Status& status) = 0;
  virtual void on_peer_lost(comm::NodeId peer, const Status& status) = 0;

  // After each batch of completions.
  virtual void on_turn() = 0;

  template <class Message>
  Status send(comm::NodeId peer, MessageType type, const Message& message) {
    return cluster_.transport->send(peer, static_cast<std::uint16_t>(type), message.encode());
  }
  void send_failed(comm::NodeId peer, RequestId request, const Error& error);

  Cluster& cluster_;

 private:
  void hand_out(comm::Completion& completion);

  // A worker's last words to the router: what memory it used. Waits until they are delivered.
  void say_goodbye();

  static constexpr std::size_t kBatch = 64;  // completions taken per poll
  // Woken by messages and by the other thread; this only bounds how late a signal is noticed.
  static constexpr std::chrono::milliseconds kWait{100};

  std::vector<comm::Completion> completions_;
  bool is_ending_ = false;
  Status end_;
};

}  // namespace sluice::runtime
