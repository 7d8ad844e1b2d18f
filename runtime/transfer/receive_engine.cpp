// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/receive_engine.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "runtime/kv/kv_pool.hpp"
#include "runtime/transfer/fault_point.hpp"
#include "runtime/transfer/receive_engine_impl.hpp"
#include "runtime/transfer/want_check.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kWaitingMax = 4096;  // of one writer: it is broken, and memory is ours
// How long somebody waits for memory that only a silent writer's last word would free.
constexpr std::int64_t kStarvedUs = 5'000'000;

Error starved(std::size_t quarantined_bytes) {
  return make_error(
      ErrorCode::kTimeout,
      "the decode worker has no memory for the request: " + std::to_string(quarantined_bytes) +
          " bytes of decode.arena_memory wait for prefill workers that neither "
          "answer nor are proven to be gone");
}

}  // namespace

bool ReceiveEngine::Impl::take(comm::NodeId peer, MessageType type, Bytes payload) {
  const Call call(*this);
  // What cannot be read is dropped: its sender is not one of ours.
  switch (type) {
    case MessageType::kWant:
      if (const auto want = WantMessage::decode(payload)) take_want(peer, *want);
      return true;
    case MessageType::kPieces:
      pass_fault_point(FaultPoint::kDecodeMidLayers);
      if (const auto pieces = PiecesMessage::decode(payload)) take_pieces(peer, *pieces);
      return true;
    case MessageType::kManifest:
      pass_fault_point(FaultPoint::kDecodeAfterManifest);
      if (const auto manifest = ManifestMessage::decode(payload)) take_manifest(peer, *manifest);
      return true;
    case MessageType::kFailed:
      if (const auto failed = FailedMessage::decode(payload)) take_failed(peer, *failed);
      return true;
    default:
      return false;
  }
}

void ReceiveEngine::Impl::take_want(comm::NodeId peer, const WantMessage& want) {
  const RequestId id = want.request;
  if (ended_.has(id, peer)) {
    return send_failed(peer, id, make_error(ErrorCode::kCancelled, "the request has ended"));
  }
  const auto known = requests_.find(id);
  if (known != requests_.end()) {
    const IncomingRequest& request = known->second;
    if (request.handoffs.contains(peer)) return;  // the first Want stands
    if (request.failure) return send_failed(peer, id, request.failure->error);
    if (static_cast<std::int32_t>(request.handoffs.size()) == request.writers) {
      return send_failed(
          peer, id,
          make_error(ErrorCode::kInvalidArgument, "the request has another prefill worker"));
    }
  }
  Status fits = check_want(want, options_.range, arena_.bytes());
  if (fits && queue_.size_of(peer) >= kWaitingMax) {
    fits = make_error(ErrorCode::kResourceExhausted,
                      "too many requests of the prefill worker wait for a slot");
  }
  const bool is_new = known == requests_.end();
  IncomingRequest& request = is_new ? requests_[id] : known->second;
  if (is_new) {
    request.terms = {want.prompt_tokens, want.tokens_max, want.cached_tokens, want.blocks};
    request.wanted_us = transport_.now_us();
    request.writers = want.writers;
  }
  if (fits) {
    std::vector<const WantMessage*> others;
    for (const auto& [node, handoff] : request.handoffs) others.push_back(&handoff.want());
    fits = check_together(want, others, options_.range);
  }
  if (!fits) {
    send_failed(peer, id, fits.error());
    return fail(id, request, fits.error(), true);
  }
  request.handoffs.try_emplace(peer, peer, want);
  queue_.add({id, peer}, request.is_open);
  ++open_[peer];
}

std::size_t ReceiveEngine::Impl::slot_bytes_for(const WantMessage& want) const {
  // One more than wait: whoever asks next shall not have to wait for these.
  const std::size_t free = arena_.bytes() - arena_.bytes_taken();
  const std::size_t share = free / (queue_.writers() + 1);
  const std::size_t most = std::min(
      {std::size_t{want.frame_bytes}, options_.slot_bytes_max, share, arena_.largest_free_bytes()});
  return std::max(most, std::size_t{want.frame_bytes_largest});
}

// The sink is asked once; true from then on.
bool ReceiveEngine::Impl::open(RequestId id, IncomingRequest& request) {
  if (request.is_open) return true;
  const auto opened = sink_.open(id, request.terms);
  if (!opened) {
    fail(id, request, opened.error(), true);
    return false;
  }
  if (!*opened) return false;
  request.is_open = true;
  if (request.handoffs.size() > 1) queue_.open(id);
  return true;
}

// Memory in quarantine may never come back: whoever waits for it alone is better off elsewhere.
bool ReceiveEngine::Impl::is_starved(const IncomingRequest& request) const {
  const std::int64_t since_us = std::max(request.wanted_us, quarantine_since_us_.value_or(0));
  return quarantine_since_us_ && transport_.now_us() - since_us >= kStarvedUs;
}

GrantQueue::Answer ReceiveEngine::Impl::grant(const GrantQueue::Entry& entry) {
  using Answer = GrantQueue::Answer;
  IncomingRequest& request = requests_.at(entry.request);
  IncomingHandoff& handoff = request.handoffs.at(entry.writer);
  const WantMessage& want = handoff.want();
  if (arena_.largest_free_bytes() < want.frame_bytes_largest) {
    // Nobody knows when what is in quarantine comes back: others go on meanwhile.
    const std::size_t quarantined = quarantined_bytes_;
    const bool is_sure = arena_.bytes() - quarantined >= want.frame_bytes_largest &&
                         arena_.bytes_taken() > quarantined;
    if (is_sure) return Answer::kNotNow;
    if (!is_starved(request)) return Answer::kNotYet;
    fail(entry.request, request, starved(quarantined), true);
    return Answer::kServed;
  }
  const std::size_t bytes = slot_bytes_for(want);
  if (!open(entry.request, request)) return request.failure ? Answer::kServed : Answer::kNotNow;
  const auto offset = arena_.acquire(bytes);
  SLUICE_CHECK(offset.has_value(), "the largest free run was looked at before");
  handoff.grant({entry.request, next_epoch_++, *offset, bytes});
  pass_fault_point(FaultPoint::kDecodeBeforeGrant);
  if (const Status told = send(entry.writer, MessageType::kGrant, handoff.slot()); !told) {
    release_slot(handoff);  // nothing was advertised
    fail(entry.request, request, told.error(), true);
  }
  pass_fault_point(FaultPoint::kDecodeAfterGrant);
  return Answer::kServed;
}

IncomingHandoff* ReceiveEngine::Impl::find(RequestId request, comm::NodeId peer) {
  const auto found = requests_.find(request);
  if (found == requests_.end()) return nullptr;
  const auto handoff = found->second.handoffs.find(peer);
  return handoff == found->second.handoffs.end() ? nullptr : &handoff->second;
}

IncomingHandoff* ReceiveEngine::Impl::find_granted(RequestId request, comm::NodeId peer,
                                                   std::uint64_t epoch) {
  if (!requests_.contains(request)) {
    send_failed(peer, request, make_error(ErrorCode::kCancelled, "the request has ended"));
    return nullptr;
  }
  IncomingHandoff* handoff = find(request, peer);
  const bool is_granted =
      handoff != nullptr && handoff->has_slot() && handoff->slot().epoch == epoch;
  return is_granted ? handoff : nullptr;
}

void ReceiveEngine::Impl::take_pieces(comm::NodeId peer, const PiecesMessage& message) {
  const RequestId id = message.request;
  IncomingHandoff* handoff = find_granted(id, peer, message.epoch);
  if (handoff == nullptr) return;
  IncomingRequest& request = requests_.at(id);
  changed_.insert(id);
  if (request.failure) return handoff->take_last(message);
  const auto pieces = handoff->take(message);
  if (!pieces) return fail(id, request, pieces.error(), true);
  const GrantMessage slot = handoff->slot();
  for (const Piece& piece : *pieces) {
    if (request.failure) {  // an earlier one of them was the end
      handoff->forget(piece.offset_bytes);
      continue;
    }
    ++request.in_work;
    ++handoff->in_work;
    const std::byte* first = memory_.data + slot.offset_bytes + piece.offset_bytes;
    sink_.take({id, peer, message.epoch, piece, Bytes(first, piece.bytes), memory_.kind});
  }
}

void ReceiveEngine::Impl::frame_done(const LandedFrame& frame, const Status& status) {
  const Call call(*this);
  IncomingHandoff* handoff = find(frame.request, frame.source);
  SLUICE_CHECK(handoff != nullptr && handoff->in_work > 0, "a frame is done that was not given");
  IncomingRequest& request = requests_.at(frame.request);
  --request.in_work;
  --handoff->in_work;
  changed_.insert(frame.request);
  const std::uint64_t offset = frame.piece.offset_bytes;
  if (request.failure) return handoff->forget(offset);
  if (status) {
    handoff->taken(offset);
    to_tell_.insert({frame.request, frame.source});
    return;
  }
  if (status.error().code == ErrorCode::kCorrupt && handoff->ask_again(offset)) {
    // When it cannot be told, it is lost: peer_lost() ends the request.
    (void)send(frame.source, MessageType::kAgain, AgainMessage{frame.request, frame.epoch, offset});
    return;
  }
  handoff->forget(offset);
  fail(frame.request, request, status.error(), true);
}

void ReceiveEngine::Impl::take_manifest(comm::NodeId peer, const ManifestMessage& message) {
  const RequestId id = message.request;
  IncomingHandoff* handoff = find_granted(id, peer, message.epoch);
  if (handoff == nullptr) return;
  IncomingRequest& request = requests_.at(id);
  changed_.insert(id);
  const Status taken = handoff->take(message);
  if (!taken && !request.failure) fail(id, request, taken.error(), true);
}

void ReceiveEngine::Impl::take_failed(comm::NodeId peer, const FailedMessage& message) {
  const RequestId id = message.request;
  IncomingHandoff* handoff = find(id, peer);
  if (handoff == nullptr) {
    // It may have overtaken its Want, which then must not be granted.
    if (!requests_.contains(id)) ended_.add(id, peer);
    return;
  }
  if (handoff->is_done) return;  // late: all of it is here
  handoff->close();
  changed_.insert(id);
  fail(id, requests_.at(id), make_error(message.code, message.message), false);
}

void ReceiveEngine::Impl::cancel(RequestId id) {
  const Call call(*this);
  const auto found = requests_.find(id);
  if (found == requests_.end()) return ended_.add(id);  // its Want may still come
  fail(id, found->second, make_error(ErrorCode::kCancelled, "the request was cancelled"), false);
}

void ReceiveEngine::Impl::peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) {
  const Call call(*this);
  const bool is_gone = fate == comm::PeerFate::kGone;
  const Error error =
      make_error(ErrorCode::kUnavailable, std::string("the prefill worker of the request ") +
                                              (is_gone ? "is gone" : "does not answer") +
                                              (why ? std::string() : ": " + why.error().message));
  for (auto& [id, request] : requests_) {
    const auto found = request.handoffs.find(peer);
    if (found == request.handoffs.end() || found->second.is_done) continue;
    if (is_gone) found->second.close();
    changed_.insert(id);
    fail(id, request, error, true);
  }
}

void ReceiveEngine::Impl::peer_back(comm::NodeId peer) {
  for (auto& [id, request] : requests_) {
    const auto found = request.handoffs.find(peer);
    if (found == request.handoffs.end() || !request.failure || !found->second.has_slot()) continue;
    send_failed(peer, id, request.failure->error);
  }
}

void ReceiveEngine::Impl::turn() {
  const Call call(*this);
  settle();
  for (const auto& [id, peer] : std::exchange(to_tell_, {})) {
    IncomingHandoff* handoff = find(id, peer);
    if (handoff != nullptr && handoff->has_slot() && handoff->has_taken()) {
      send_taken(id, *handoff, false);
    }
  }
  if (quarantined_bytes_ == 0) {
    quarantine_since_us_.reset();
  } else if (!quarantine_since_us_) {
    quarantine_since_us_ = transport_.now_us();
  }
  queue_.serve([this](const GrantQueue::Entry& entry) { return grant(entry); });
}

bool ReceiveEngine::Impl::knows(RequestId request) const {
  const auto found = requests_.find(request);
  return found != requests_.end() && !found->second.failure;
}

bool ReceiveEngine::Impl::has_handoffs_from(comm::NodeId peer) const {
  return open_.contains(peer);
}

ReceiveEngine::Memory ReceiveEngine::Impl::memory() const {
  return {arena_.bytes(), arena_.bytes_taken(), quarantined_bytes_, queue_.size()};
}

std::int64_t ReceiveEngine::Impl::waiting_tokens() const {
  std::int64_t tokens = 0;
  for (const auto& [id, request] : requests_) {
    if (request.is_open || request.failure) continue;
    const ReceiveTerms& terms = request.terms;
    tokens += kv_blocks_for(terms.prompt_tokens + terms.tokens_max) * kKvBlockTokens -
              terms.cached_tokens;
  }
  return tokens;
}

ReceiveEngine::ReceiveEngine(comm::Transport& transport, const comm::Region& arena, FrameSink& sink,
                             ReceiveOptions options)
    : impl_(std::make_unique<Impl>(transport, arena, sink, options)) {}
ReceiveEngine::~ReceiveEngine() = default;
bool ReceiveEngine::take(comm::NodeId peer, MessageType type, Bytes payload) {
  return impl_->take(peer, type, payload);
}
void ReceiveEngine::frame_done(const LandedFrame& frame, const Status& status) {
  impl_->frame_done(frame, status);
}
void ReceiveEngine::cancel(RequestId request) { impl_->cancel(request); }
void ReceiveEngine::peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) {
  impl_->peer_lost(peer, why, fate);
}
void ReceiveEngine::peer_back(comm::NodeId peer) { impl_->peer_back(peer); }
void ReceiveEngine::turn() { impl_->turn(); }
bool ReceiveEngine::knows(RequestId request) const { return impl_->knows(request); }
bool ReceiveEngine::has_handoffs_from(comm::NodeId peer) const {
  return impl_->has_handoffs_from(peer);
}
ReceiveEngine::Memory ReceiveEngine::memory() const { return impl_->memory(); }
std::int64_t ReceiveEngine::waiting_tokens() const { return impl_->waiting_tokens(); }

}  // namespace sluice::runtime
