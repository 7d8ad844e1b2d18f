// SPDX-License-Identifier: Apache-2.0
// What the communication threads of all roles do alike: poll, hand out messages, watch peers,
// sleep, stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/transfer/cluster.hpp"
#include "runtime/transfer/peer_watch.hpp"

namespace sluice::runtime {

class WorkerNode {
 public:
  explicit WorkerNode(Cluster& cluster) : cluster_(cluster), completions_(kBatch) {}
  virtual ~WorkerNode() = default;
  WorkerNode(const WorkerNode&) = delete;
  WorkerNode& operator=(const WorkerNode&) = delete;

  // Everything there is to do now, without sleeping; for whoever runs several nodes in one thread.
  // False once the node has ended; a worker has then said goodbye.
  bool turn();
  // What loop() does between two turns: waits, unless the last one had something to do. On a
  // simulated transport this notes when the next turn is due.
  void rest();
  // What end_loop() was told.
  const Status& end() const { return end_; }
  // The router has drained this worker, and that is how its life ended: the role in which its
  // process is to join again, or its own, then it is over.
  std::optional<Role> drained_as() const { return drained_as_; }

 protected:
  // Turns until end_loop().
  void loop();

  // A worker's life: the loop, which the router also ends by saying stop or by being gone
  // (kUnavailable), and the delivery of its goodbye. What end_loop() was told.
  Status serve();

  // Ends the loop after the turn that is under way. The first error stays.
  void end_loop(Status why = {});

  // What ends the loop of a worker, the router's shutdown, drain or loss, is not handed on; nor are
  // beats.
  virtual void on_message(comm::NodeId peer, MessageType type, Bytes payload) = 0;
  // A write's or a flush's end.
  virtual void on_operation(const comm::Completion& completion) = 0;
  // The transport has lost it; it is not watched any more. Of a peer that is silent too, once each.
  virtual void on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) = 0;
  // A watched peer has not been heard for a while: no request shall wait for it. It may come back.
  virtual void on_peer_silent(comm::NodeId peer) = 0;
  virtual void on_peer_back(comm::NodeId /*peer*/) {}
  // Another process is behind this rank, and cluster_ knows it. It is not watched yet.
  virtual void on_joined(comm::NodeId /*peer*/) {}
  virtual void on_round_trip(comm::NodeId /*peer*/, std::int64_t /*took_us*/) {}

  // After each batch of completions.
  virtual void on_turn() = 0;

  // Beats go to it until unwatch(). A worker's router is always watched.
  void watch(comm::NodeId peer) { watch_.watch(peer, now_us()); }
  void unwatch(comm::NodeId peer) { watch_.forget(peer); }
  bool is_silent(comm::NodeId peer) const { return watch_.is_silent(peer); }

  // The transport's clock: virtual in a simulation.
  std::int64_t now_us() const { return cluster_.transport->now_us(); }

  template <class Message>
  Status send(comm::NodeId peer, MessageType type, const Message& message) {
    return cluster_.transport->send(peer, static_cast<std::uint16_t>(type), message.encode());
  }
  void send_failed(comm::NodeId peer, RequestId request, const Error& error);

  // cluster_.admit() of this rank succeeded.
  void admitted(comm::NodeId node);

  Cluster& cluster_;

 private:
  void hand_out(comm::Completion& completion);
  void take_message(comm::Completion& completion);
  void take_beat(comm::NodeId peer, Bytes payload);
  void take_joined(Bytes payload);
  void take_drain(Bytes payload);
  void admit_joined();
  void watch_peers();
  std::chrono::milliseconds wait_at_most() const;

  // A worker's last words to the router: what memory it used.
  void say_goodbye();
  void deliver_goodbye();

  static constexpr std::size_t kBatch = 64;  // completions taken per poll
  // Woken by messages and by the other thread; this only bounds how late a signal is noticed.
  static constexpr std::chrono::milliseconds kWait{100};

  // The end of the process before is waited for, since the transport cannot prove it once another
  // process is behind the rank; not for long, since there may be none to see.
  static constexpr std::int64_t kProofWaitUs = 300'000;

  struct Joining {
    comm::NodeId node = 0;
    Hello hello;
    std::int64_t until_us = 0;
  };

  std::vector<comm::Completion> completions_;
  PeerWatch watch_;
  std::set<comm::NodeId> gone_;  // proven, and nobody has joined in their place
  std::vector<Joining> joining_;
  bool came_in_ = false;  // the last turn had completions
  bool said_goodbye_ = false;
  bool is_ending_ = false;
  std::optional<Role> drained_as_;
  Status end_;
};

}  // namespace sluice::runtime
