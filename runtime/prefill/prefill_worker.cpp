// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/prefill_worker.hpp"

#include <algorithm>

#include "runtime/engine/engine_options.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

// More cancels than this are not on their way ahead of their requests at one moment.
constexpr std::size_t kCancelledEarlyMax = 1024;

}  // namespace

PrefillWorker::PrefillWorker(Cluster& cluster, const ClusterConfig& config, const ModelFile& model,
                             PipelineSet& pipelines)
    : WorkerNode(cluster),
      pipelines_(pipelines),
      chunk_tokens_(config.prefill.chunk_tokens),
      staging_(cluster.memory.bytes) {
  loop_ = std::make_unique<PrefillLoop>(
      model,
      PrefillLoopOptions{config.prefill, config.pipeline.encode_threads, kv_shape_of(model.spec()),
                         cluster.host},
      [this](PrefillEvent event) {
        events_.push(std::move(event));
        cluster_.transport->wake();
      });
}

Status PrefillWorker::run() { return serve(); }

void PrefillWorker::on_message(comm::NodeId peer, MessageType type, Bytes payload) {
  switch (type) {
    case MessageType::kSubmit:
      return take_submit(payload);
    case MessageType::kGrant:
      if (const auto grant = GrantMessage::decode(payload)) take_grant(peer, *grant);
      return;
    case MessageType::kFailed:
      return take_failed(peer, payload);
    case MessageType::kCancel:
      return take_cancel(payload);
    default:
      return;  // not for this role
  }
}

void PrefillWorker::take_submit(Bytes payload) {
  auto submit = SubmitMessage::decode(payload);
  if (!submit || submit->prompt.empty()) return;  // no request id to answer to
  const RequestId id = submit->request;
  auto job = plan(std::move(*submit));
  if (!job) return send_failed(cluster_.router, id, job.error());
  if (std::erase(cancelled_early_, id) != 0) return;
  requests_[id].job = std::move(*job);
  waiting_.push_back(id);
}

// Which frames the request becomes, and whether it can be served at all.
Result<PrefillJob> PrefillWorker::plan(SubmitMessage submit) {
  PrefillJob job;
  job.arrived_us = monotonic_us();
  if (!cluster_.arenas.contains(submit.decode_node)) {
    return make_error(ErrorCode::kInternal, "the request names a decode worker that is none");
  }
  const auto tokens = static_cast<std::int64_t>(submit.prompt.size());
  if (submit.question_tokens < 0 || submit.question_tokens > tokens) {
    return make_error(ErrorCode::kInvalidArgument, "the question is longer than the prompt");
  }
  job.pipeline = SLUICE_TRY(pipelines_.find(submit.pipeline));
  job.plan = plan_frames(*job.pipeline, tokens, chunk_tokens_);
  if (job.plan.bytes > staging_.bytes()) {
    return make_error(ErrorCode::kInvalidArgument, "the prompt's KV of " +
                                                       std::to_string(job.plan.bytes) +
                                                       " bytes is larger than prefill.send_memory");
  }
  job.submit = std::move(submit);
  return job;
}

void PrefillWorker::start_waiting() {
  while (!waiting_.empty()) {
    const RequestId id = waiting_.front();
    const auto found = requests_.find(id);
    if (found == requests_.end()) {  // failed while it waited
      waiting_.pop_front();
      continue;
    }
    Request& request = found->second;
    const auto tokens = static_cast<std::int64_t>(request.job.submit.prompt.size());
    const std::size_t bytes = request.job.plan.bytes;
    const auto offset = staging_.acquire(bytes);
    if (!offset) return;  // a handoff under way will free some
    waiting_.pop_front();
    // Only who has staging memory asks for a slot, so that nobody holds a slot he cannot fill; but
    // asked for now, room is found while the prompt is computed.
    const comm::NodeId target = request.job.submit.decode_node;
    const WantMessage want{id, tokens, request.job.submit.tokens_max, bytes};
    if (const Status asked = send(target, MessageType::kWant, want); !asked) {
      staging_.release(*offset);
      send_failed(cluster_.router, id, asked.error());
      requests_.erase(found);
      continue;
    }
    request.staging_offset = *offset;
    request.job.staging = MutableBytes(cluster_.memory.data + *offset, bytes);
    request.session = std::make_unique<SendSession>(id, target, request.job.staging);
    request.computing = true;
    loop_->submit(request.job);
  }
}

void PrefillWorker::take_grant(comm::NodeId peer, const GrantMessage& grant) {
  const auto found = requests_.find(grant.request);
  SendSession* session = found == requests_.end() ? nullptr : found->second.session.get();
  if (session == nullptr || session->is_over()) {
    // It failed here meanwhile: say that nothing will be written, so that the slot is free again.
    send_failed(peer, grant.request, make_error(ErrorCode::kCancelled, "the request has ended"));
    return;
  }
  const auto arena = cluster_.arenas.find(peer);
  if (peer != found->second.job.submit.decode_node || arena == cluster_.arenas.end()) return;
  if (const Status taken = session->grant(grant, arena->second); !taken) {
    fail(grant.request, taken.error(), true);
  }
}

void PrefillWorker::take_failed(comm::NodeId peer, Bytes payload) {
  const auto failed = FailedMessage::decode(payload);
  if (!failed) return;
  const auto found = requests_.find(failed->request);
  if (found == requests_.end() || found->second.job.submit.decode_node != peer) return;
  // The decode worker told the router itself.
  fail(failed->request, make_error(failed->code, failed->message), false);
}

void PrefillWorker::take_cancel(Bytes payload) {
  const auto cancel = CancelMessage::decode(payload);
  if (!cancel) return;
  if (!requests_.contains(cancel->request)) {
    // It may have overtaken a long prompt. Most are for requests that have ended: few are kept.
    cancelled_early_.push_back(cancel->request);
    if (cancelled_early_.size() > kCancelledEarlyMax) cancelled_early_.pop_front();
    return;
  }
  fail(cancel->request, make_error(ErrorCode::kCancelled, "the request was cancelled"), false);
}

// The one way a request ends early. Without a session nobody else knows of it; with one, the decode
// worker is told by the session once nothing of ours can land any more.
void PrefillWorker::fail(RequestId id, const Error& error, bool tell_router) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  Request& request = found->second;
  if (tell_router) send_failed(cluster_.router, id, error);
  if (request.session == nullptr) {
    requests_.erase(found);
    return;
  }
  if (request.computing && !request.session->failure()) loop_->cancel(id);
  request.session->abort({id, error.code, error.message});
}

void PrefillWorker::on_operation(comm::OperationId operation, const Status& status) {
  for (auto& [id, request] : requests_) {
    if (request.session == nullptr || !request.session->complete(operation, status)) continue;
    if (!status) fail(id, status.error(), true);
    return;
  }
}

void PrefillWorker::on_peer_lost(comm::NodeId peer, const Status&) {
  std::vector<RequestId> lost;
  for (const auto& [id, request] : requests_) {
    if (request.job.submit.decode_node == peer) lost.push_back(id);
  }
  for (const RequestId id : lost) {
    fail(id, make_error(ErrorCode::kUnavailable, "the decode worker of the request is gone"), true);
  }
}

void PrefillWorker::take(PrefillEvent& event) {
  if (const auto* loaded = std::get_if<PrefillEvent::Loaded>(&event.what)) {
    return take_loaded(*loaded);
  }
  const auto found = requests_.find(event.request);
  if (found == requests_.end()) return;
  Request& request = found->second;
  if (const auto* ready = std::get_if<PrefillEvent::PieceReady>(&event.what)) {
    request.session->add_piece(ready->piece);
  } else if (auto* finished = std::get_if<PrefillEvent::Finished>(&event.what)) {
    request.computing = false;
    request.session->finish(std::move(finished->manifest));
  } else {
    request.computing = false;
    const Error& error = std::get<PrefillEvent::Failed>(event.what).error;
    fail(event.request, error, error.code != ErrorCode::kCancelled);
  }
}

void PrefillWorker::take_loaded(const PrefillEvent::Loaded& loaded) {
  const Status sent = send(cluster_.router, MessageType::kLoading,
                           LoadingMessage{loaded.done, loaded.ready, loaded.error});
  if (!loaded.error.empty() || !sent) {
    end_loop(sent ? Status(make_error(ErrorCode::kInternal, loaded.error)) : sent);
  }
}

void PrefillWorker::advance() {
  for (auto entry = requests_.begin(); entry != requests_.end();) {
    auto& [id, request] = *entry;
    if (request.session == nullptr) {
      ++entry;
      continue;
    }
    if (const Status advanced = request.session->advance(*cluster_.transport, next_operation_);
        !advanced) {
      fail(id, advanced.error(), true);
    }
    const bool done = request.session->is_over() && request.session->is_quiescent();
    if (!done || request.computing) {
      ++entry;
      continue;
    }
    staging_.release(request.staging_offset);
    entry = requests_.erase(entry);
  }
}

void PrefillWorker::on_turn() {
  for (PrefillEvent& event : events_.drain()) take(event);
  advance();
  start_waiting();  // after it: a handoff that ended has left its staging memory
}

}  // namespace sluice::runtime
