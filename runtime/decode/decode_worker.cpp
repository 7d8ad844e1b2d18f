// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_worker.hpp"

#include <algorithm>
#include <utility>

#include "kernels/core/check.hpp"
#include "runtime/decode/finish_after.hpp"

namespace sluice::runtime {
namespace {

// A slot is in quarantine for a moment after every cancel; most of the arena for this long is a
// writer that is stopped, or a host that is gone without proof.
constexpr std::int64_t kQuarantineWarnUs = 10'000'000;

std::unique_ptr<PrefixCache> make_cache(KvPool& pool, std::int64_t block_tokens) {
  auto cache = PrefixCache::create(pool, block_tokens);
  SLUICE_CHECK(cache.has_value(), "scheduler.prefix_block_tokens is checked where it is read");
  return std::move(*cache);
}

CacheRange range_of(const KvShape& shape) {
  return {.layer_first = 0,
          .layer_count = static_cast<std::int32_t>(shape.layers),
          .head_first = static_cast<std::int32_t>(shape.head_first),
          .head_count = static_cast<std::int32_t>(shape.kv_heads)};
}

ReceiveOptions receive_options(const Cluster& cluster, const CacheRange& range,
                               std::size_t slot_bytes_max) {
  // Epochs of different processes of one rank never meet: none makes 2^40 grants.
  const std::uint64_t incarnation =
      cluster.self < cluster.hellos.size() ? cluster.hellos[cluster.self].incarnation : 1;
  return {.range = range, .slot_bytes_max = slot_bytes_max, .first_epoch = incarnation << 40};
}

bool is_same(const ManifestMessage& a, const ManifestMessage& b) {
  return a.first_token == b.first_token && a.ignore_end == b.ignore_end &&
         a.sampling.temperature == b.sampling.temperature && a.sampling.top_p == b.sampling.top_p &&
         a.sampling.top_k == b.sampling.top_k && a.sampling.seed == b.sampling.seed;
}

Error corrupt(const char* what) { return make_error(ErrorCode::kCorrupt, what); }

}  // namespace

DecodeWorkerOptions decode_worker_options(const ClusterConfig& config, std::int64_t vocab,
                                          std::span<const TokenId> end_tokens) {
  DecodeWorkerOptions options;
  options.vocab = vocab;
  options.end_tokens = end_tokens;
  options.codec_threads = config.pipeline.decode_threads;
  options.slot_bytes_max = config.decode.slot_memory_bytes;
  options.prefix_block_tokens = config.scheduler.prefix_block_tokens;
  return options;
}

DecodeWorker::DecodeWorker(Cluster& cluster, DecodeWorkerOptions options,
                           const kernels::FrameDecoder& decoder, std::unique_ptr<KvPool> pool,
                           const DecodeComputeFactory& make_compute)
    : WorkerNode(cluster),
      options_(std::move(options)),
      range_(range_of(pool->shape())),
      pool_(std::move(pool)),
      cache_(make_cache(*pool_, options_.prefix_block_tokens)),
      status_(options_.levels),
      unpacker_(decoder, *pool_, options_.codec_threads, [this] { cluster_.transport->wake(); }),
      engine_(*cluster.transport, cluster.memory, *this,
              receive_options(cluster, range_, options_.slot_bytes_max)) {
  compute_ = make_compute(*pool_, [this](DecodeEvent event) {
    events_.push(std::move(event));
    cluster_.transport->wake();
  });
}

DecodeWorker::~DecodeWorker() = default;

void DecodeWorker::on_message(comm::NodeId peer, MessageType type, Bytes payload) {
  if (type == MessageType::kCancel || type == MessageType::kSubmit) {
    if (peer != cluster_.router) return;  // nobody else may
    return type == MessageType::kCancel ? take_cancel(payload) : take_submit(payload);
  }
  if (type == MessageType::kWant) writers_.insert(peer);
  if (type == MessageType::kManifest) {
    // The part of a handoff that is left after its last word is this side's.
    const auto request = ByteReader(payload).get<RequestId>();
    const auto found = request ? receiving_.find(*request) : receiving_.end();
    if (found != receiving_.end()) found->second->manifest_us = now_us();
  }
  (void)engine_.take(peer, type, payload);  // what is for no one here is dropped
}

void DecodeWorker::take_cancel(Bytes payload) {
  const auto cancel = CancelMessage::decode(payload);
  if (!cancel) return;
  const RequestId id = cancel->request;
  if (running_.contains(id)) return compute_->cancel(id);
  const auto is_it = [id](const Waiting& waiting) { return waiting.submit.request == id; };
  if (std::erase_if(waiting_, is_it) != 0) return;
  if (!engine_.knows(id)) early_cancels_.add(id);
  engine_.cancel(id);
}

Status DecodeWorker::check_fits(std::int64_t tokens) const {
  if (kv_blocks_for(tokens) <= pool_->blocks()) return {};
  return make_error(ErrorCode::kInvalidArgument,
                    "prompt and answer together do not fit in decode.kv_memory");
}

Result<bool> DecodeWorker::open(RequestId request, const ReceiveTerms& terms) {
  if (receiving_.contains(request) || running_.contains(request) || is_waiting(request)) {
    return make_error(ErrorCode::kInvalidArgument, "the request is here already");
  }
  const std::int64_t tokens = terms.prompt_tokens + terms.tokens_max;
  SLUICE_TRY(check_fits(tokens));
  SLUICE_TRY(check_blocks(terms));
  if (!waiting_.empty()) return false;  // what it waits for is not given to who came later
  auto place = cache_->open(terms.blocks, terms.cached_tokens, tokens);
  if (!place) return false;
  auto receiving = std::make_unique<Receiving>(range_, terms);
  receiving->target.blocks = std::move(place->blocks);
  receiving_.emplace(request, std::move(receiving));
  return true;
}

// Whether what the writer leaves out is here.
Status DecodeWorker::check_blocks(const ReceiveTerms& terms) {
  if (terms.blocks.empty()) return {};
  const std::int64_t block = cache_->block_tokens();
  if (block == 0 || terms.cached_tokens % block != 0 ||
      static_cast<std::int64_t>(terms.blocks.size()) != terms.prompt_tokens / block) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the prefill worker cuts prompts into other blocks than are kept here");
  }
  const std::int64_t here = cache_->cached_tokens(terms.blocks, terms.cached_tokens);
  if (here == terms.cached_tokens) return {};
  PrefixesMessage lost;
  const auto hashes = std::span(terms.blocks).first(terms.cached_tokens / block);
  const auto gone = hashes.subspan(static_cast<std::size_t>(here / block));
  lost.evicted.assign(gone.begin(), gone.end());
  (void)send(cluster_.router, MessageType::kPrefixes, lost);
  return make_error(ErrorCode::kUnavailable,
                    "the decode worker has no more than " + std::to_string(here) +
                        " of the prompt's first " + std::to_string(terms.cached_tokens) +
                        " tokens in its cache, from where on their KV was to be sent");
}

void DecodeWorker::take(const LandedFrame& frame) {
  const auto found = receiving_.find(frame.request);
  SLUICE_CHECK(found != receiving_.end(), "a frame came of a request that was not opened");
  auto done = unpacker_.unpack(frame, found->second->target);
  if (done) take_done(std::move(*done));
}

void DecodeWorker::take_done(FrameUnpacker::Done done) {
  const auto found = receiving_.find(done.frame.request);
  SLUICE_CHECK(found != receiving_.end(), "a request ended while its frames were in work");
  found->second->unpack_us += done.took_us;
  Status status = done.info ? found->second->kept.keep(*done.info) : Status(done.info.error());
  engine_.frame_done(done.frame, status);
}

Status DecodeWorker::check(const Receiving& receiving,
                           const std::vector<ManifestMessage>& manifests) const {
  const ManifestMessage& manifest = manifests.front();
  const bool agree = std::all_of(manifests.begin(), manifests.end(),
                                 [&](const auto& other) { return is_same(manifest, other); });
  if (!agree) return corrupt("the manifests of a request do not agree");
  if (manifest.first_token < 0 || manifest.first_token >= options_.vocab) {
    return corrupt("the manifest's first token is not one of the model's");
  }
  if (!receiving.kept.is_complete()) return corrupt("the frames are not the whole prompt");
  return {};
}

void DecodeWorker::complete(RequestId request, const std::vector<ManifestMessage>& manifests) {
  const auto found = receiving_.find(request);
  SLUICE_CHECK(found != receiving_.end(), "a request is complete that was not opened");
  const auto receiving = std::move(found->second);
  receiving_.erase(found);
  if (const Status checked = check(*receiving, manifests); !checked) {
    pool_->release(receiving->target.blocks);
    return send_failed(cluster_.router, request, checked.error());
  }
  keep_prompt(*receiving, manifests);
  ManifestMessage whole = manifests.front();
  for (std::size_t i = 1; i < manifests.size(); ++i) {
    whole.timeline.kv_bytes_raw += manifests[i].timeline.kv_bytes_raw;
    whole.timeline.kv_bytes_wire += manifests[i].timeline.kv_bytes_wire;
  }
  start(request, *receiving, whole);
}

// For later prompts that begin alike, if all of it is of the one kind that its hashes stand for.
void DecodeWorker::keep_prompt(const Receiving& receiving,
                               const std::vector<ManifestMessage>& manifests) {
  const bool is_of_one_level =
      std::all_of(manifests.begin(), manifests.end(),
                  [](const ManifestMessage& each) { return each.timeline.levels.empty(); });
  if (!is_of_one_level) return;
  const ReceiveTerms& terms = receiving.terms;
  status_.unpacked(manifests.front().timeline.pipeline, terms.prompt_tokens - terms.cached_tokens,
                   receiving.unpack_us);
  if (terms.blocks.empty() || !receiving.kept.dropped().empty()) return;
  cache_->insert(terms.blocks, receiving.target.blocks);
}

void DecodeWorker::start(RequestId request, Receiving& receiving, const ManifestMessage& manifest) {
  TokenMessage token{request, 0, manifest.first_token, FinishReason::kNone, manifest.timeline};
  token.finish = finish_after(manifest.first_token, 1, manifest.tokens_max, manifest.ignore_end,
                              options_.end_tokens);
  token.timeline.decode_us = now_us() - receiving.manifest_us;
  token.timeline.unpack_us = receiving.unpack_us;
  token.timeline.output_tokens = 1;
  token.timeline.decode_cached_tokens = receiving.terms.cached_tokens;
  std::vector<KvBlockId> blocks = std::move(receiving.target.blocks);
  if (token.finish != FinishReason::kNone) {
    pool_->release(blocks);
  } else {
    DecodeJob job;
    job.request = request;
    job.sequence = {{}, manifest.prompt_tokens, receiving.kept.dropped()};
    // What was left out needs no room; the answer's rows follow those of each head.
    const auto needed =
        static_cast<std::size_t>(kv_blocks_for(job.sequence.rows_max() + manifest.tokens_max));
    if (needed < blocks.size()) {
      pool_->release(std::span(blocks).subspan(needed));
      blocks.resize(needed);
    }
    job.sequence.blocks = std::move(blocks);
    job.first_token = manifest.first_token;
    job.tokens_max = manifest.tokens_max;
    job.ignore_end = manifest.ignore_end;
    job.sampling = manifest.sampling;
    job.prefill_end_us = manifest.host == cluster_.host ? manifest.prefill_end_us : 0;
    running_[request] = {token.timeline};
    compute_->submit(std::move(job));
  }
  (void)send(cluster_.router, MessageType::kToken, token);
}

void DecodeWorker::drop(RequestId request, const Error& error, bool tell) {
  if (running_.contains(request)) return;  // of another attempt to begin it
  if (const auto found = receiving_.find(request); found != receiving_.end()) {
    pool_->release(found->second->target.blocks);
    receiving_.erase(found);
  }
  if (tell) send_failed(cluster_.router, request, error);
}

void DecodeWorker::take_event(DecodeEvent& event) {
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
  status_.stepped(token.step_us);
  if (token.prefill_us != 0) {
    timeline.queue_us = token.queue_us;
    timeline.prefill_us = token.prefill_us;
    const std::int64_t before = timeline.decode_cached_tokens;
    status_.prefilled(timeline.prompt_tokens - before, before, token.prefill_us);
  }
  if (token.handover_us != 0) timeline.handover_us = token.handover_us;
  (void)send(cluster_.router, MessageType::kToken,
             TokenMessage{event.request, token.index, token.token, token.finish, timeline});
  if (token.finish != FinishReason::kNone) running_.erase(running);
}

void DecodeWorker::on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) {
  engine_.peer_lost(peer, why, fate);
}

// Requests need not wait for it; whether it still writes is not known.
void DecodeWorker::on_peer_silent(comm::NodeId peer) {
  engine_.peer_lost(peer, make_error(ErrorCode::kUnavailable, "it is silent"),
                    comm::PeerFate::kUnknown);
}

void DecodeWorker::on_peer_back(comm::NodeId peer) { engine_.peer_back(peer); }

// That another process has the rank does not prove that the one before it has ended.
void DecodeWorker::on_joined(comm::NodeId peer) {
  engine_.peer_lost(peer, make_error(ErrorCode::kUnavailable, "it was started anew"),
                    comm::PeerFate::kUnknown);
}

void DecodeWorker::on_turn() {
  for (FrameUnpacker::Done& done : unpacker_.drain()) take_done(std::move(done));
  for (DecodeEvent& event : events_.drain()) take_event(event);
  start_waiting();
  engine_.turn();
  for (auto& [request, receiving] : receiving_) {
    if (!engine_.knows(request)) receiving->target.is_unwanted = true;
  }
  watch_writers();
  watch_quarantine();
  report();
}

void DecodeWorker::watch_writers() {
  for (auto peer = writers_.begin(); peer != writers_.end();) {
    if (engine_.has_handoffs_from(*peer)) {
      watch(*peer);
      ++peer;
    } else {
      unwatch(*peer);
      peer = writers_.erase(peer);
    }
  }
}

void DecodeWorker::watch_quarantine() {
  const ReceiveEngine::Memory memory = engine_.memory();
  if (memory.quarantined_bytes <= memory.arena_bytes / 2) {
    quarantined_us_.reset();
    has_warned_ = false;
    return;
  }
  if (!quarantined_us_) quarantined_us_ = now_us();
  if (has_warned_ || now_us() - *quarantined_us_ < kQuarantineWarnUs) return;
  has_warned_ = true;
  if (options_.warn) {
    options_.warn("decode worker " + std::to_string(cluster_.self) + ": " +
                  std::to_string(memory.quarantined_bytes >> 20) + " of " +
                  std::to_string(memory.arena_bytes >> 20) +
                  " MiB of decode.arena_memory wait for prefill workers that neither answer nor "
                  "have proven to be gone; restart this worker to get them back");
  }
}

}  // namespace sluice::runtime
