// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/prefill_worker.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "runtime/frames/frame_room.hpp"

namespace sluice::runtime {
namespace {

// The router's view of the links is this old at most, and is told for a while longer, so that it
// sees them become idle.
constexpr std::int64_t kLinksIntervalUs = 200'000;
constexpr std::int64_t kLinksAfterUs = 2'000'000;

constexpr std::int64_t kStatusIntervalUs = 250'000;

}  // namespace

PrefillWorkerOptions prefill_worker_options(const ClusterConfig& config) {
  return {.chunk_tokens = config.prefill.chunk_tokens,
          .push = {},
          .prefix_block_tokens = config.scheduler.prefix_block_tokens,
          .levels = {},
          .adapt_levels = config.scheduler.adapt_levels};
}

PrefillWorker::PrefillWorker(Cluster& cluster, PrefillWorkerOptions options, PipelineSet& pipelines,
                             const PrefillComputeFactory& make_compute)
    : WorkerNode(cluster),
      options_(std::move(options)),
      pipelines_(pipelines),
      engine_(*cluster.transport, cluster.memory, options_.push) {
  for (const auto& [node, arena] : cluster.arenas) engine_.set_arena(node, arena);
  if (options_.levels != nullptr) families_ = pipelines_.families(*options_.levels);
  compute_ = make_compute([this](PrefillEvent event) {
    events_.push(std::move(event));
    cluster_.transport->wake();
  });
}

PrefillWorker::~PrefillWorker() = default;

void PrefillWorker::on_message(comm::NodeId peer, MessageType type, Bytes payload) {
  if (type == MessageType::kSubmit || type == MessageType::kCancel) {
    if (peer != cluster_.router) return;
    return type == MessageType::kSubmit ? take_submit(payload) : take_cancel(payload);
  }
  (void)engine_.take(peer, type, payload);  // what is not the engine's is not for this role
}

void PrefillWorker::on_operation(const comm::Completion& completion) {
  (void)engine_.take(completion);
}

void PrefillWorker::take_submit(Bytes payload) {
  auto submit = SubmitMessage::decode(payload);
  if (!submit || submit->prompt.empty()) return;  // no request id to answer to
  const RequestId id = submit->request;
  if (requests_.contains(id)) return;
  auto job = plan(std::move(*submit));
  if (!job) return send_failed(cluster_.router, id, job.error());
  if (early_cancels_.take(id)) return;
  Request& request = requests_[id];
  request.target = job->submit.decode_node;
  request.blocks = prefix_blocks(job->submit);
  request.steering = job->steering;
  request.job = std::move(*job);
  waiting_.push_back(id);
}

// Empty: nothing of what its pipeline's frames bring can serve other prompts.
std::vector<PrefixHash> PrefillWorker::prefix_blocks(const SubmitMessage& submit) const {
  if (options_.prefix_block_tokens == 0) return {};
  const auto salt = pipelines_.prefix_salt(submit.pipeline);
  if (!salt) return {};
  return block_hashes(submit.prompt, options_.prefix_block_tokens, *salt);
}

// Frames begin there: what is before it, the target is said to have. The last block of a prompt is
// sent even so, if only for its last token, so that there is something to send.
std::int64_t PrefillWorker::first_token(const SubmitMessage& submit) const {
  const std::int64_t block = options_.prefix_block_tokens;
  if (block == 0 || submit.decode_cached_tokens <= 0 || !pipelines_.prefix_salt(submit.pipeline)) {
    return 0;
  }
  const auto last = static_cast<std::int64_t>(submit.prompt.size()) - 1;
  return std::min(submit.decode_cached_tokens, last) / block * block;
}

// Which frames the request becomes, and whether it can be served at all.
Result<PrefillJob> PrefillWorker::plan(SubmitMessage submit) {
  PrefillJob job;
  job.arrived_us = now_us();
  if (!cluster_.arenas.contains(submit.decode_node)) {
    return make_error(ErrorCode::kInternal, "the request names a decode worker that is none");
  }
  if (is_silent(submit.decode_node)) {
    return make_error(ErrorCode::kUnavailable, "the decode worker of the request does not answer");
  }
  const auto tokens = static_cast<std::int64_t>(submit.prompt.size());
  if (submit.question_tokens < 0 || submit.question_tokens > tokens) {
    return make_error(ErrorCode::kInvalidArgument, "the question is longer than the prompt");
  }
  job.pipeline = SLUICE_TRY(pipelines_.find(submit.pipeline));
  job.plan = plan_frames(*job.pipeline, tokens, options_.chunk_tokens, first_token(submit));
  if (job.plan.bytes > cluster_.memory.bytes) {
    return make_error(ErrorCode::kInvalidArgument, "the prompt's KV of " +
                                                       std::to_string(job.plan.bytes) +
                                                       " bytes is larger than prefill.send_memory");
  }
  job.submit = std::move(submit);
  steer(job);
  return job;
}

// Levels that the request may change to have their room in its plan before it asks for a slot; what
// would need more than there can be stays out.
void PrefillWorker::steer(PrefillJob& job) const {
  const SubmitMessage& submit = job.submit;
  if (!options_.adapt_levels || !submit.may_change_level || submit.ttft_left_us == 0) return;
  SteeringRequest steering;
  for (const LevelFamily& family : families_) {
    for (const LevelPipeline& member : family) {
      if (member.pipeline == job.pipeline) steering.level = member.level;
    }
    if (steering.level < 0) continue;
    FramePlan plan = job.plan;
    for (const LevelPipeline& member : family) {
      const bool is_own = member.level == steering.level;
      const auto& level = options_.levels->levels[static_cast<std::size_t>(member.level)];
      if (!is_own && level.kl > submit.kl_max) continue;
      FramePlan roomy = with_room_for(plan, *member.pipeline);
      if (roomy.bytes > cluster_.memory.bytes) continue;
      plan = std::move(roomy);
      steering.candidates.push_back(member);
    }
    if (steering.candidates.size() < 2) return;
    job.plan = std::move(plan);
    steering.levels = options_.levels;
    steering.deadline_us = job.arrived_us + submit.ttft_left_us;
    steering.prefill_speed = prefill_speed_.speed();
    steering.codec_slowness = codec_slowness_.value();
    job.steering = std::make_shared<LevelSteering>(std::move(steering), job.plan,
                                                   static_cast<std::int64_t>(submit.prompt.size()));
    return;
  }
}

void PrefillWorker::start_waiting() {
  while (!waiting_.empty()) {
    const RequestId id = waiting_.front();
    if (const auto found = requests_.find(id); found != requests_.end()) {
      const Status started = start(id, found->second);
      // A handoff under way will free some memory.
      if (!started && started.error().code == ErrorCode::kResourceExhausted) return;
      if (!started) fail(id, started.error(), true);
    }
    waiting_.pop_front();
  }
}

// Only who has staging memory asks for a slot, so that nobody holds a slot he cannot fill; but
// asked for now, room is found while the prompt is computed.
Status PrefillWorker::start(RequestId id, Request& request) {
  PrefillJob& job = request.job;
  PushRequest push;
  push.target = request.target;
  push.want.request = id;
  push.want.prompt_tokens = static_cast<std::int64_t>(job.submit.prompt.size());
  push.want.tokens_max = job.submit.tokens_max;
  push.want.frame_bytes = job.plan.bytes;
  for (const PlannedFrame& frame : job.plan.frames) {
    push.want.frame_bytes_largest =
        std::max<std::uint64_t>(push.want.frame_bytes_largest, frame.bytes_max);
  }
  push.want.range = job.plan.range;
  push.want.cached_tokens = job.plan.frames.front().first_token;
  push.want.blocks = request.blocks;
  job.staging = SLUICE_TRY(engine_.open(push));
  request.is_open = true;
  request.is_computing = true;
  compute_->submit(std::move(job));
  return {};
}

void PrefillWorker::take_cancel(Bytes payload) {
  const auto cancel = CancelMessage::decode(payload);
  if (!cancel) return;
  if (!requests_.contains(cancel->request)) {
    return early_cancels_.add(cancel->request);
  }
  fail(cancel->request, make_error(ErrorCode::kCancelled, "the request was cancelled"), false);
}

// The one way a request ends early, whoever says so first. The decode worker is told by the engine
// once nothing of ours can land any more.
void PrefillWorker::fail(RequestId id, const Error& error, bool tell_router) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  Request& request = found->second;
  if (!std::exchange(request.is_settled, true)) {
    if (tell_router) send_failed(cluster_.router, id, error);
    if (request.is_computing) compute_->cancel(id);
  }
  if (request.is_open) {
    engine_.abort(id, error);
  } else {
    forget_if_done(found);
  }
}

void PrefillWorker::fail_all_to(comm::NodeId peer, const std::string& why) {
  std::vector<RequestId> lost;
  for (const auto& [id, request] : requests_) {
    if (request.target == peer) lost.push_back(id);
  }
  for (const RequestId id : lost) fail(id, make_error(ErrorCode::kUnavailable, why), true);
}

void PrefillWorker::on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate) {
  watched_.erase(peer);
  engine_.peer_lost(peer, why);
  take_ended();
  fail_all_to(peer, "the decode worker of the request is gone");
}

// Its handoffs stay with the engine until their writes have come back, however late.
void PrefillWorker::on_peer_silent(comm::NodeId peer) {
  fail_all_to(peer, "the decode worker of the request does not answer");
}

void PrefillWorker::on_joined(comm::NodeId peer) {
  watched_.erase(peer);
  cards_.forget(peer);
  const auto arena = cluster_.arenas.find(peer);
  if (arena == cluster_.arenas.end()) return;
  engine_.set_arena(peer, arena->second);
  take_ended();
  fail_all_to(peer, "the decode worker of the request was replaced");
}

void PrefillWorker::on_round_trip(comm::NodeId peer, std::int64_t took_us) {
  if (cluster_.arenas.contains(peer)) engine_.meter(peer).round_trip(took_us);
}

void PrefillWorker::take(PrefillEvent& event) {
  if (const auto* loaded = std::get_if<PrefillEvent::Loaded>(&event.what)) {
    return take_loaded(*loaded);
  }
  if (const auto* ready = std::get_if<PrefillEvent::PieceReady>(&event.what)) {
    learn(*ready);
    return engine_.add(event.request, ready->piece, ready->room_bytes);
  }
  if (const auto* prefixes = std::get_if<PrefillEvent::Prefixes>(&event.what)) {
    (void)send(cluster_.router, MessageType::kPrefixes, prefixes->message);
    return;
  }
  const auto found = requests_.find(event.request);
  if (found == requests_.end() || !found->second.is_computing) return;
  found->second.is_computing = false;
  engine_.release(event.request);
  if (auto* failed = std::get_if<PrefillEvent::Failed>(&event.what)) {
    return fail(event.request, failed->error, true);
  }
  auto& manifest = std::get<PrefillEvent::Finished>(event.what).manifest;
  RequestTimeline& timeline = manifest.timeline;
  prefill_speed_.add(manifest.prompt_tokens - timeline.prefill_cached_tokens,
                     timeline.prefill_cached_tokens,
                     1e-6 * static_cast<double>(timeline.prefill_us));
  has_status_ = true;
  if (const LevelSteering* steering = found->second.steering.get();
      steering != nullptr && !steering->first().empty()) {
    timeline.pipeline = steering->first();
    timeline.levels = steering->levels();
  }
  engine_.finish(event.request, std::move(manifest));
  forget_if_done(found);
}

void PrefillWorker::learn(const PrefillEvent::PieceReady& frame) {
  for (const LevelFamily& family : families_) {
    for (const LevelPipeline& member : family) {
      if (member.pipeline != frame.pipeline) continue;
      const Piece& piece = frame.piece;
      const kernels::CacheShape& shape = pipelines_.shape();
      const double rows = static_cast<double>((piece.last_token - piece.first_token) *
                                              piece.range.layer_count * piece.range.head_count);
      const auto& level = options_.levels->levels[static_cast<std::size_t>(member.level)];
      codec_slowness_.add(
          1e-6 * static_cast<double>(frame.encode_us),
          level.encode_s_per_token * rows / static_cast<double>(shape.layers * shape.kv_heads));
      has_status_ = true;
      return;
    }
  }
}

void PrefillWorker::take_loaded(const PrefillEvent::Loaded& loaded) {
  const Status sent = send(cluster_.router, MessageType::kLoading,
                           LoadingMessage{loaded.done, loaded.ready, loaded.error});
  if (!loaded.error.empty() || !sent) {
    end_loop(sent ? Status(make_error(ErrorCode::kInternal, loaded.error)) : sent);
  }
}

void PrefillWorker::take_ended() {
  for (const PushEngine::Ended& ended : engine_.take_ended()) {
    const auto found = requests_.find(ended.request);
    if (found == requests_.end()) continue;
    found->second.is_open = false;
    if (ended.status) {
      found->second.is_settled = true;
      forget_if_done(found);
    } else {
      fail(ended.request, ended.status.error(), !ended.target_knows);
    }
  }
}

void PrefillWorker::forget_if_done(Requests::iterator entry) {
  const Request& request = entry->second;
  if (request.is_settled && !request.is_open && !request.is_computing) requests_.erase(entry);
}

void PrefillWorker::watch_targets() {
  for (const auto& [node, arena] : cluster_.arenas) {
    const bool is_busy = engine_.has_handoffs_to(node);
    if (is_busy) {
      if (const auto counted = cards_.due(*cluster_.transport, node)) {
        engine_.meter(node).nic(*counted, now_us());
      }
      if (watched_.insert(node).second) watch(node);
    } else if (watched_.erase(node) != 0) {
      unwatch(node);
    }
  }
}

void PrefillWorker::report_links() {
  const std::int64_t now = now_us();
  if (!watched_.empty()) links_used_us_ = now;
  if (!links_used_us_ || now - *links_used_us_ > kLinksAfterUs || now < links_due_us_) return;
  links_due_us_ = now + kLinksIntervalUs;
  (void)send(cluster_.router, MessageType::kLinks, LinksMessage{engine_.link_reports()});
}

// Between two reports there is one at least when something is new.
void PrefillWorker::report_status() {
  const std::int64_t now = now_us();
  if (!has_status_ || now < status_due_us_) return;
  has_status_ = false;
  status_due_us_ = now + kStatusIntervalUs;
  const scheduler::WorkerSpeed speed = prefill_speed_.speed();
  StatusMessage status;
  status.prefill_fixed_s = speed.fixed_s;
  status.prefill_s_per_token = speed.s_per_token;
  status.prefill_s_per_token_squared = speed.s_per_token_squared;
  status.codec_slowness = codec_slowness_.value();
  (void)send(cluster_.router, MessageType::kStatus, status);
}

// What the computing threads are to know of the links when they choose the next level.
void PrefillWorker::show_links() {
  std::map<comm::NodeId, std::uint64_t> left;
  for (const auto& [id, request] : requests_) {
    if (request.is_open) left[request.target] += engine_.passage(id).left_bytes();
  }
  for (const auto& [id, request] : requests_) {
    if (request.steering == nullptr || !request.is_computing) continue;
    const comm::LinkEstimate seen = engine_.meter(request.target).estimate(now_us());
    const PushEngine::Passage own = engine_.passage(id);
    request.steering->see_link({.bytes_per_s = seen.free_bytes_per_s,
                                .queued_bytes = left[request.target] - own.left_bytes(),
                                .round_trip_s = 1e-6 * static_cast<double>(seen.round_trip_us)},
                               own.flushed_bytes);
  }
}

void PrefillWorker::on_turn() {
  for (PrefillEvent& event : events_.drain()) take(event);
  start_waiting();
  engine_.turn();
  take_ended();
  watch_targets();
  show_links();
  report_links();
  report_status();
}

}  // namespace sluice::runtime
