// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_worker.hpp"

#include <algorithm>

#include "runtime/engine/engine_options.hpp"
#include "runtime/frames/frame_decode.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

// Frames of a message that hold less K and V than this are decoded at once: handing them to another
// thread would take longer.
constexpr std::size_t kAtOnceBytes = std::size_t{1} << 20;

std::size_t kv_bytes(const KvShape& shape, const std::vector<MadeFrame>& frames) {
  std::size_t bytes = 0;
  for (const MadeFrame& frame : frames) {
    const PlannedFrame& place = frame.place;
    bytes += shape.bytes_per_token() / static_cast<std::size_t>(shape.layers) *
             static_cast<std::size_t>(place.layer_count * (place.last_token - place.first_token));
  }
  return bytes;
}

}  // namespace

DecodeWorker::DecodeWorker(Cluster& cluster, const ClusterConfig& config, const ModelFile& model,
                           const PipelineSet& pipelines, std::unique_ptr<KvPool> pool,
                           std::span<const TokenId> end_tokens)
    : WorkerNode(cluster),
      decoder_(pipelines.decoder()),
      shape_(kv_shape_of(model.spec())),
      vocab_(model.spec().vocab),
      pool_(std::move(pool)),
      end_tokens_(end_tokens),
      arena_(cluster.memory.bytes),
      codec_pool_(config.pipeline.decode_threads) {
  loop_ = std::make_unique<DecodeLoop>(model, config.decode, *pool_, end_tokens_,
                                       [this](DecodeEvent event) {
                                         events_.push(std::move(event));
                                         cluster_.transport->wake();
                                       });
}

Status DecodeWorker::run() { return serve(); }

void DecodeWorker::on_message(comm::NodeId peer, MessageType type, Bytes payload) {
  switch (type) {
    case MessageType::kWant:
      return take_want(peer, payload);
    case MessageType::kPieces:
      return take_pieces(peer, payload);
    case MessageType::kManifest:
      return take_manifest(peer, payload);
    case MessageType::kFailed:
      return take_failed(peer, payload);
    case MessageType::kCancel:
      return take_cancel(payload);
    default:
      return;  // not for this role
  }
}

void DecodeWorker::take_want(comm::NodeId peer, Bytes payload) {
  const auto want = WantMessage::decode(payload);
  if (!want) return;
  const auto refuse = [&](const std::string& why) {
    const Error error = make_error(ErrorCode::kInvalidArgument, why);
    send_failed(peer, want->request, error);
    send_failed(cluster_.router, want->request, error);
  };
  if (want->prompt_tokens <= 0 || want->tokens_max <= 0 || want->frame_bytes == 0 ||
      is_known(want->request)) {
    return refuse("the prefill worker asked for a slot that cannot be");
  }
  if (want->frame_bytes > arena_.bytes()) {
    return refuse("the prompt's KV of " + std::to_string(want->frame_bytes) +
                  " bytes is larger than decode.arena_memory");
  }
  const std::int64_t tokens_most = pool_->blocks() * kKvBlockTokens;
  if (want->prompt_tokens > tokens_most || want->tokens_max > tokens_most - want->prompt_tokens) {
    return refuse("prompt and answer together do not fit in decode.kv_memory");
  }
  waiting_.push_back({peer, *want});
}

bool DecodeWorker::is_known(RequestId request) const {
  return sessions_.contains(request) || running_.contains(request) ||
         std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const Want& want) { return want.message.request == request; });
}

void DecodeWorker::grant_waiting() {
  while (!waiting_.empty() && grant(waiting_.front())) waiting_.pop_front();
}

bool DecodeWorker::grant(const Want& want) {
  const WantMessage& message = want.message;
  const std::int64_t blocks = kv_blocks_for(message.prompt_tokens + message.tokens_max);
  if (pool_->free_blocks() < blocks) return false;
  const auto offset = arena_.acquire(message.frame_bytes);
  if (!offset) return false;
  auto acquired = pool_->acquire(blocks);
  SLUICE_CHECK(acquired.has_value(), "the free blocks were counted before");
  const GrantMessage grant{message.request, next_epoch_++, *offset, message.frame_bytes};
  const Bytes slot(cluster_.memory.data + *offset, message.frame_bytes);
  const HandoffTerms terms{want.source, message.prompt_tokens, message.tokens_max, vocab_};
  const bool is_new =
      sessions_
          .emplace(std::piecewise_construct, std::forward_as_tuple(message.request),
                   std::forward_as_tuple(grant, terms, shape_, slot, std::move(*acquired)))
          .second;
  SLUICE_CHECK(is_new, "a request is granted a second slot");
  if (const Status told = send(want.source, MessageType::kGrant, grant); !told) {
    // Nothing was advertised. The writer waits for this, so the router has to end it.
    send_failed(cluster_.router, message.request, told.error());
    close(message.request);
  }
  return true;
}

ReceiveSession* DecodeWorker::session_of(RequestId request, std::uint64_t epoch) {
  const auto found = sessions_.find(request);
  if (found == sessions_.end() || found->second.epoch() != epoch) return nullptr;  // late
  return &found->second;
}

// What others than the session's writer say of it is not heard.
ReceiveSession* DecodeWorker::session_of(comm::NodeId source, RequestId request,
                                         std::uint64_t epoch) {
  ReceiveSession* session = session_of(request, epoch);
  return session != nullptr && session->source() == source ? session : nullptr;
}

void DecodeWorker::take_pieces(comm::NodeId peer, Bytes payload) {
  const auto message = PiecesMessage::decode(payload);
  if (!message) return;
  ReceiveSession* session = session_of(peer, message->request, message->epoch);
  if (session == nullptr || session->is_cancelled || session->is_closing) return;
  const auto frames = session->take(*message);
  if (!frames) {
    fail(*session, frames.error());
    if (session->has_manifest()) close(message->request);  // the writer's last word is here
    return;
  }
  session->frames_in_work += static_cast<std::int64_t>(frames->size());
  if (kv_bytes(shape_, *frames) < kAtOnceBytes) {
    std::vector<FrameDone> all_done;
    for (const MadeFrame& frame : *frames) all_done.push_back(unpack(*session, frame, scratch_));
    for (FrameDone& done : all_done) take(std::move(done));
    return;
  }
  for (const MadeFrame& frame : *frames) {
    codec_pool_.submit([this, session, frame](kernels::Scratch& scratch) {
      frames_done_.push(unpack(*session, frame, scratch));
      cluster_.transport->wake();
    });
  }
}

// Any thread: the session keeps slot and blocks while frames are in work.
DecodeWorker::FrameDone DecodeWorker::unpack(const ReceiveSession& session, const MadeFrame& frame,
                                             kernels::Scratch& scratch) const {
  const std::int64_t started_us = monotonic_us();
  auto info =
      decode_frame(decoder_, session.bytes_of(frame), frame, *pool_, session.blocks(), scratch);
  return {session.request(), session.epoch(), frame, std::move(info), monotonic_us() - started_us};
}

void DecodeWorker::take(FrameDone done) {
  ReceiveSession* session = session_of(done.request, done.epoch);
  SLUICE_CHECK(session != nullptr, "a session ended while its frames were in work");
  session->frames_in_work -= 1;
  session->unpack_us += done.took_us;
  if (session->is_closing) return close(done.request);
  if (session->is_cancelled) return;
  Status taken = done.info ? session->take(done.frame, *done.info) : Status(done.info.error());
  if (!taken) {
    fail(*session, taken.error());
    if (session->has_manifest()) close(done.request);  // the writer's last word is here
    return;
  }
  complete_if_ready(*session);
}

void DecodeWorker::take_manifest(comm::NodeId peer, Bytes payload) {
  const auto message = ManifestMessage::decode(payload);
  if (!message) return;
  ReceiveSession* session = session_of(peer, message->request, message->epoch);
  if (session == nullptr || session->is_closing) return;
  session->manifest_us = monotonic_us();
  // The writer's last word: whatever happens to the request, its slot is free after this.
  if (session->is_cancelled) return close(message->request);
  if (const Status taken = session->take(*message); !taken) {
    fail(*session, taken.error());
    return close(message->request);
  }
  complete_if_ready(*session);
}

void DecodeWorker::complete_if_ready(ReceiveSession& session) {
  const auto complete = session.is_complete();
  if (!complete) {
    fail(session, complete.error());
    close(session.request());
  } else if (*complete) {
    start(session);
    close(session.request());
  }
}

// Tells everybody; the slot stays until the writer's last word.
void DecodeWorker::fail(ReceiveSession& session, const Error& error) {
  session.is_cancelled = true;
  send_failed(cluster_.router, session.request(), error);
  send_failed(session.source(), session.request(), error);
}

void DecodeWorker::start(ReceiveSession& session) {
  const ManifestMessage& manifest = session.manifest();
  TokenMessage token{manifest.request, 0, manifest.first_token, FinishReason::kNone,
                     manifest.timeline};
  token.finish =
      finish_after(manifest.first_token, 1, manifest.tokens_max, manifest.ignore_end, end_tokens_);
  if (token.finish == FinishReason::kNone) {
    DecodeJob job;
    job.request = manifest.request;
    job.sequence = {std::move(session.blocks()), manifest.prompt_tokens, session.kept().dropped()};
    // What was left out needs no room; the answer's rows follow those of each head.
    const auto needed =
        static_cast<std::size_t>(kv_blocks_for(job.sequence.rows_max() + manifest.tokens_max));
    auto& blocks = job.sequence.blocks;
    if (needed < blocks.size()) {
      pool_->release(std::span(blocks).subspan(needed));
      blocks.resize(needed);
    }
    job.first_token = manifest.first_token;
    job.tokens_max = manifest.tokens_max;
    job.ignore_end = manifest.ignore_end;
    job.sampling = manifest.sampling;
    job.prefill_end_us = manifest.host == cluster_.host ? manifest.prefill_end_us : 0;
    loop_->submit(std::move(job));
  }
  token.timeline.decode_us = monotonic_us() - session.manifest_us;
  token.timeline.unpack_us = session.unpack_us;
  token.timeline.output_tokens = 1;
  if (token.finish == FinishReason::kNone) running_[manifest.request] = {token.timeline};
  (void)send(cluster_.router, MessageType::kToken, token);
}

// Frees what the session still holds: the slot, and blocks that no sequence took over. Later, when
// frames are being decoded.
void DecodeWorker::close(RequestId request) {
  const auto found = sessions_.find(request);
  found->second.is_closing = true;
  if (found->second.frames_in_work != 0) return;
  arena_.release(found->second.slot_offset());
  pool_->release(found->second.blocks());
  sessions_.erase(found);
}

// From the prefill worker: it has stopped writing.
void DecodeWorker::take_failed(comm::NodeId peer, Bytes payload) {
  const auto failed = FailedMessage::decode(payload);
  if (!failed) return;
  std::erase_if(waiting_, [&](const Want& want) {
    return want.source == peer && want.message.request == failed->request;
  });
  const auto found = sessions_.find(failed->request);
  if (found != sessions_.end() && found->second.source() == peer) close(failed->request);
}

void DecodeWorker::take_cancel(Bytes payload) {
  const auto cancel = CancelMessage::decode(payload);
  if (!cancel) return;
  if (const auto found = sessions_.find(cancel->request); found != sessions_.end()) {
    if (found->second.has_manifest()) {
      close(cancel->request);
    } else {
      found->second.is_cancelled = true;
    }
  }
  if (running_.contains(cancel->request)) loop_->cancel(cancel->request);
}

void DecodeWorker::take(DecodeEvent& event) {
  pool_->release(event.blocks);
  if (const auto* loaded = std::get_if<DecodeEvent::Loaded>(&event.what)) {
    (void)send(cluster_.router, MessageType::kLoading,
               LoadingMessage{loaded->ready ? 1.0 : 0.0, loaded->ready, loaded->error});
    if (!loaded->error.empty()) end_loop(make_error(ErrorCode::kInternal, loaded->error));
    return;
  }
  const auto running = running_.find(event.request);
  if (running == running_.end()) return;
  if (const auto* failed = std::get_if<DecodeEvent::Failed>(&event.what)) {
    send_failed(cluster_.router, event.request, failed->error);
    running_.erase(running);
    return;
  }
  const auto& token = std::get<DecodeEvent::Token>(event.what);
  RequestTimeline& timeline = running->second.timeline;
  timeline.output_tokens = token.index + 1;
  if (token.handover_us != 0) timeline.handover_us = token.handover_us;
  (void)send(cluster_.router, MessageType::kToken,
             TokenMessage{event.request, token.index, token.token, token.finish, timeline});
  if (token.finish != FinishReason::kNone) running_.erase(running);
}

void DecodeWorker::on_peer_lost(comm::NodeId peer, const Status&) {
  std::erase_if(waiting_, [&](const Want& want) { return want.source == peer; });
  // The writer's process is gone, so on the transports here nothing of it can land any more.
  std::vector<RequestId> lost;
  for (const auto& [id, session] : sessions_) {
    if (session.source() == peer) lost.push_back(id);
  }
  for (const RequestId id : lost) {
    send_failed(cluster_.router, id,
                make_error(ErrorCode::kUnavailable, "the prefill worker of the request is gone"));
    close(id);
  }
}

void DecodeWorker::on_turn() {
  for (FrameDone& done : frames_done_.drain()) take(std::move(done));
  for (DecodeEvent& event : events_.drain()) take(event);
  grant_waiting();
}

}  // namespace sluice::runtime
