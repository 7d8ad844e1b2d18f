// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/worker_node.hpp"

#include <algorithm>
#include <utility>

#include "runtime/telemetry/process_memory.hpp"

namespace sluice::runtime {

bool WorkerNode::turn() {
  const bool is_worker = cluster_.self != cluster_.router;
  if (is_worker) watch(cluster_.router);
  const std::size_t count = cluster_.transport->poll(completions_);
  came_in_ = count > 0;
  for (std::size_t i = 0; i < count; ++i) hand_out(completions_[i]);
  admit_joined();
  watch_peers();
  on_turn();
  if (is_ending_ && is_worker) say_goodbye();
  return !is_ending_;
}

void WorkerNode::rest() {
  if (!came_in_) cluster_.transport->wait(wait_at_most());
}

void WorkerNode::loop() {
  while (turn()) rest();
}

Status WorkerNode::serve() {
  loop();
  deliver_goodbye();
  return end_;
}

void WorkerNode::end_loop(Status why) {
  is_ending_ = true;
  if (end_) end_ = std::move(why);
}

void WorkerNode::hand_out(comm::Completion& completion) {
  switch (completion.kind) {
    case comm::CompletionKind::kMessage:
      take_message(completion);
      completion.payload.clear();
      return;
    case comm::CompletionKind::kPeerLost:
      watch_.forget(completion.peer);
      if (completion.fate == comm::PeerFate::kGone) gone_.insert(completion.peer);
      if (completion.peer == cluster_.router) {
        return end_loop(make_error(ErrorCode::kUnavailable,
                                   "the router is gone: " + completion.status.error().message));
      }
      return on_peer_lost(completion.peer, completion.status, completion.fate);
    case comm::CompletionKind::kWriteDone:
    case comm::CompletionKind::kFlushDone:
      return on_operation(completion);
    case comm::CompletionKind::kSendDone:
      return;
  }
}

void WorkerNode::take_message(comm::Completion& completion) {
  const comm::NodeId peer = completion.peer;
  const auto type = static_cast<MessageType>(completion.type);
  watch_.heard(peer, now_us());
  if (type == MessageType::kBeat) return take_beat(peer, completion.payload);
  if (peer == cluster_.router && type == MessageType::kShutdown) return end_loop();
  if (peer == cluster_.router && type == MessageType::kDrain) return take_drain(completion.payload);
  if (peer == cluster_.router && type == MessageType::kJoined) {
    return take_joined(completion.payload);
  }
  on_message(peer, type, completion.payload);
}

void WorkerNode::take_beat(comm::NodeId peer, Bytes payload) {
  auto beat = BeatMessage::decode(payload);
  if (!beat) return;
  if (!beat->is_echo) {
    beat->is_echo = true;
    (void)send(peer, MessageType::kBeat, *beat);
    return;
  }
  // What a stopped process answers when it goes on says nothing of the link.
  const std::int64_t took_us = now_us() - beat->sent_us;
  if (took_us >= 0 && took_us < watch_.options().silent_after_us) on_round_trip(peer, took_us);
}

void WorkerNode::take_joined(Bytes payload) {
  const auto joined = JoinedMessage::decode(payload);
  if (!joined) return;
  const auto hello = Hello::decode(joined->hello);
  if (hello) joining_.push_back({joined->node, *hello, now_us() + kProofWaitUs});
}

// It comes when nothing is placed here any more.
void WorkerNode::take_drain(Bytes payload) {
  const auto drain = DrainMessage::decode(payload);
  if (!drain || drain->as == Role::kRouter) return;
  drained_as_ = drain->as;
  end_loop();
}

void WorkerNode::admit_joined() {
  std::erase_if(joining_, [this](const Joining& joining) {
    if (!gone_.contains(joining.node) && now_us() < joining.until_us) return false;
    // The router has checked it, by the same rules: what does not fit here is not its.
    if (cluster_.admit(joining.node, joining.hello)) admitted(joining.node);
    return true;
  });
}

void WorkerNode::admitted(comm::NodeId node) {
  gone_.erase(node);
  watch_.forget(node);
  on_joined(node);
}

void WorkerNode::watch_peers() {
  const PeerWatch::Turn due = watch_.turn(now_us());
  for (const comm::NodeId peer : due.beats) {
    (void)send(peer, MessageType::kBeat, BeatMessage{now_us(), false});
  }
  for (const auto& [peer, news] : due.news) {
    news == PeerNews::kSilent ? on_peer_silent(peer) : on_peer_back(peer);
  }
}

std::chrono::milliseconds WorkerNode::wait_at_most() const {
  const auto next_us = watch_.next_us();
  if (!next_us) return kWait;
  // Rounded up: a turn that comes too early finds nothing to do.
  const std::int64_t left_us = std::max<std::int64_t>(0, *next_us - now_us());
  return std::min(kWait, std::chrono::milliseconds((left_us + 999) / 1000));
}

void WorkerNode::send_failed(comm::NodeId peer, RequestId request, const Error& error) {
  // A peer that cannot be told is lost, and on_peer_lost() says so on its own.
  (void)send(peer, MessageType::kFailed, FailedMessage{request, error.code, error.message});
}

void WorkerNode::say_goodbye() {
  if (std::exchange(said_goodbye_, true)) return;
  GoodbyeMessage goodbye;
  if (const auto memory = read_process_memory()) {
    goodbye = {memory->peak_bytes, memory->file_bytes};
  }
  (void)send(cluster_.router, MessageType::kGoodbye, goodbye);
}

void WorkerNode::deliver_goodbye() {
  constexpr comm::OperationId kLastFlush = ~comm::OperationId{0};
  constexpr std::int64_t kDeliveryTimeoutUs = 2'000'000;  // the router may be gone
  if (!cluster_.transport->flush(cluster_.router, kLastFlush)) return;
  const std::int64_t started_us = now_us();
  while (now_us() - started_us < kDeliveryTimeoutUs) {
    const std::size_t count = cluster_.transport->poll(completions_);
    for (std::size_t i = 0; i < count; ++i) {
      const comm::Completion& completion = completions_[i];
      if (completion.operation == kLastFlush) return;
      if (completion.kind == comm::CompletionKind::kPeerLost &&
          completion.peer == cluster_.router) {
        return;
      }
    }
    if (count == 0) cluster_.transport->wait(kWait);
  }
}

}  // namespace sluice::runtime
