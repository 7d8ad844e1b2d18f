// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/worker_node.hpp"

#include <utility>

#include "runtime/telemetry/clock.hpp"
#include "runtime/telemetry/process_memory.hpp"

namespace sluice::runtime {

void WorkerNode::loop() {
  while (true) {
    const std::size_t count = cluster_.transport->poll(completions_);
    for (std::size_t i = 0; i < count; ++i) hand_out(completions_[i]);
    on_turn();
    if (is_ending_) return;
    if (count == 0) cluster_.transport->wait(kWait);
  }
}

Status WorkerNode::serve() {
  loop();
  say_goodbye();
  return end_;
}

void WorkerNode::end_loop(Status why) {
  is_ending_ = true;
  if (end_) end_ = std::move(why);
}

void WorkerNode::hand_out(comm::Completion& completion) {
  switch (completion.kind) {
    case comm::CompletionKind::kMessage:
      if (completion.peer == cluster_.router &&
          static_cast<MessageType>(completion.type) == MessageType::kShutdown) {
        return end_loop();
      }
      on_message(completion.peer, static_cast<MessageType>(completion.type), completion.payload);
      completion.payload.clear();
      return;
    case comm::CompletionKind::kPeerLost:
      if (completion.peer == cluster_.router) {
        return end_loop(make_error(ErrorCode::kUnavailable,
                                   "the router is gone: " + completion.status.error().message));
      }
      on_peer_lost(completion.peer, completion.status);
      return;
    case comm::CompletionKind::kWriteDone:
    case comm::CompletionKind::kFlushDone:
      on_operation(completion.operation, completion.status);
      return;
    case comm::CompletionKind::kSendDone:
      return;
  }
}

void WorkerNode::send_failed(comm::NodeId peer, RequestId request, const Error& error) {
  // A peer that cannot be told is lost, and on_peer_lost() says so on its own.
  (void)send(peer, MessageType::kFailed, FailedMessage{request, error.code, error.message});
}

void WorkerNode::say_goodbye() {
  constexpr comm::OperationId kLastFlush = ~comm::OperationId{0};
  constexpr std::int64_t kDeliveryTimeoutUs = 2'000'000;  // the router may be gone
  GoodbyeMessage goodbye;
  if (const auto memory = read_process_memory()) {
    goodbye = {memory->peak_bytes, memory->file_bytes};
  }
  if (!send(cluster_.router, MessageType::kGoodbye, goodbye)) return;
  if (!cluster_.transport->flush(cluster_.router, kLastFlush)) return;
  const std::int64_t started_us = monotonic_us();
  while (monotonic_us() - started_us < kDeliveryTimeoutUs) {
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
