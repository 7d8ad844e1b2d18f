// SPDX-License-Identifier: Apache-2.0
#include "bench/comm/handoff_sides.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/transfer/checksum.hpp"

namespace sluice::bench {
namespace {

using comm::Completion;
using comm::CompletionKind;
using runtime::MessageType;
using runtime::RequestId;

constexpr std::size_t kAnyFrameBytesMax = std::size_t{48} << 10;
constexpr std::size_t kAlignmentBytes = 64;
constexpr std::int64_t kPromptTokens = 1000;
constexpr std::int64_t kTokensMax = 8;
constexpr comm::OperationId kPlainWrite = 1;  // the engine's numbers are larger
constexpr comm::OperationId kPlainFlush = 2;

// splitmix64's finalizer (Steele, Lea, Flood 2014).
std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

std::uint64_t seed_of(RequestId request, std::int32_t frame) {
  return mixed(request * 64 + static_cast<std::uint64_t>(frame) + 1);
}

std::uint64_t word_at(std::uint64_t seed, std::size_t index) {
  return mixed(seed + index * 0x9e3779b97f4a7c15U);
}

std::size_t place_bytes(std::size_t bytes) {
  return (bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
}

// Names the frame; its content is compared whole.
std::uint64_t checksum_of(RequestId request, std::int32_t frame) {
  return runtime::fold_checksum(request, static_cast<std::uint64_t>(frame));
}

}  // namespace

void fail(const std::string& message) {
  std::fprintf(stderr, "bench_handoff: %s\n", message.c_str());
  std::fflush(stderr);
  ::_exit(1);
}

void* share_bytes(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("no memory to share");
  return memory;
}

std::int32_t Load::frames_of(RequestId request) const {
  if (frame_bytes != 0) return frames;
  return 1 + static_cast<std::int32_t>(mixed(request) % kLayers);
}

std::size_t Load::bytes_of(RequestId request, std::int32_t frame) const {
  if (frame_bytes != 0) return frame_bytes;
  return 1 + seed_of(request, frame) % kAnyFrameBytesMax;
}

void write_content(RequestId request, std::int32_t frame, MutableBytes bytes) {
  const std::uint64_t seed = seed_of(request, frame);
  for (std::size_t at = 0, i = 0; at < bytes.size(); at += 8, ++i) {
    const std::uint64_t word = word_at(seed, i);
    std::memcpy(bytes.data() + at, &word, std::min<std::size_t>(8, bytes.size() - at));
  }
}

bool is_content(RequestId request, std::int32_t frame, Bytes bytes) {
  const std::uint64_t seed = seed_of(request, frame);
  for (std::size_t at = 0, i = 0; at < bytes.size(); at += 8, ++i) {
    const std::uint64_t word = word_at(seed, i);
    if (std::memcmp(bytes.data() + at, &word, std::min<std::size_t>(8, bytes.size() - at)) != 0) {
      return false;
    }
  }
  return true;
}

Side::Side(const SideOptions& options)
    : options_(options),
      transport_(std::make_unique<TimedTransport>(need(comm::open_transport(
          options.transport, comm::TransportOptions{.self = options.self})))) {}

void Side::meet(comm::NodeId peer, Bytes address, Bytes /*arena_key*/) {
  lost_.erase(peer);
  need(transport_->connect(peer, address));
  // Opens the way, as the workers' heartbeat does: only who is connected notices a death.
  (void)transport_->send(peer, static_cast<std::uint16_t>(MessageType::kBeat),
                         runtime::BeatMessage{now_us(), true}.encode(), 0);
}

bool Side::turn() {
  const std::size_t count = transport_->poll(completions_);
  for (std::size_t i = 0; i < count; ++i) {
    Completion& completion = completions_[i];
    if (completion.kind == CompletionKind::kMessage) {
      on_message(completion.peer, static_cast<MessageType>(completion.type), completion.payload);
    } else if (completion.kind == CompletionKind::kPeerLost) {
      if (completion.fate == comm::PeerFate::kGone) lost_.insert(completion.peer);
      on_peer_lost(completion.peer, completion.status, completion.fate);
    } else {
      on_operation(completion);
    }
  }
  on_turn();
  return count != 0;
}

std::vector<comm::NodeId> Side::take_reclaimed() {
  std::vector<comm::NodeId> reclaimed;
  for (auto peer = lost_.begin(); peer != lost_.end();) {
    if (holds_of(*peer)) {
      ++peer;
      continue;
    }
    reclaimed.push_back(*peer);
    peer = lost_.erase(peer);
  }
  return reclaimed;
}

SenderSide::SenderSide(const SideOptions& options)
    : Side(options),
      staging_(need(transport().allocate(kMemoryBytes, comm::MemoryKind::kHost))),
      engine_(transport(), staging_, {}) {}

void SenderSide::meet(comm::NodeId peer, Bytes address, Bytes arena_key) {
  Side::meet(peer, address, arena_key);
  if (arena_key.empty()) return;
  const auto arena = transport().import_region(peer, arena_key);
  if (!arena) return;  // it has died again: the transport will say so
  arena_ = *arena;
  engine_.set_arena(peer, arena_);
}

bool SenderSide::open(RequestId request, bool at_once) {
  runtime::PushRequest push;
  push.target = kReceiver;
  runtime::WantMessage& want = push.want;
  want.request = request;
  want.prompt_tokens = kPromptTokens;
  want.tokens_max = kTokensMax;
  want.range = {0, options_.load.frames_of(request), 0, 1};
  for (std::int32_t frame = 0; frame < want.range.layer_count; ++frame) {
    const std::size_t bytes = place_bytes(options_.load.bytes_of(request, frame));
    want.frame_bytes += bytes;
    want.frame_bytes_largest = std::max<std::uint64_t>(want.frame_bytes_largest, bytes);
  }
  want.range.layer_count = kLayers;  // the last frame is of all layers that are left
  if (Moments* moments = moments_of(request)) moments->opened = now_us();
  const auto memory = engine_.open(push);
  if (!memory) {
    if (memory.error().code == ErrorCode::kResourceExhausted) return false;
    ended_.push_back({request, memory.error(), false});
    return true;
  }
  current_ = request;
  is_posted_ = true;
  Making& making = making_[request];
  making.memory = *memory;
  while (at_once && make_frame(request, making)) {
  }
  if (at_once) making_.erase(request);
  return true;
}

// False: it was the last one.
bool SenderSide::make_frame(RequestId request, Making& making) {
  const std::int32_t frames = options_.load.frames_of(request);
  const std::int32_t frame = making.next++;
  const std::size_t bytes = options_.load.bytes_of(request, frame);
  if (options_.checked != nullptr)
    write_content(request, frame, making.memory.subspan(making.offset, bytes));
  const bool is_last = making.next == frames;
  runtime::Piece piece;
  piece.range = {frame, is_last ? kLayers - frame : 1, 0, 1};
  piece.last_token = kPromptTokens;
  piece.offset_bytes = making.offset;
  piece.bytes = bytes;
  piece.checksum = checksum_of(request, frame);
  making.offset += place_bytes(bytes);
  engine_.add(request, piece, place_bytes(bytes));
  if (!is_last) return true;
  runtime::ManifestMessage manifest;
  manifest.request = request;
  manifest.prompt_tokens = kPromptTokens;
  manifest.tokens_max = kTokensMax;
  engine_.finish(request, std::move(manifest));
  engine_.release(request);
  return false;
}

void SenderSide::on_message(comm::NodeId peer, MessageType type, Bytes payload) {
  engine_.take(peer, type, payload);
  Moments* moments = moments_of(current_);
  if (moments == nullptr || type != MessageType::kGrant) return;
  moments->granted = now_us();
  is_posted_ = false;
}

void SenderSide::on_operation(const Completion& completion) {
  if (completion.operation == kPlainWrite || completion.operation == kPlainFlush) {
    if (!completion.status) fail(completion.status.error().message);
    --plain_open_;
    return;
  }
  engine_.take(completion);
  if (Moments* moments = moments_of(current_)) {
    (completion.kind == CompletionKind::kFlushDone ? moments->flushed : moments->written) =
        now_us();
  }
}

void SenderSide::on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate /*fate*/) {
  engine_.peer_lost(peer, why);
}

void SenderSide::on_turn() {
  for (auto making = making_.begin(); making != making_.end();) {
    making = make_frame(making->first, making->second) ? std::next(making) : making_.erase(making);
  }
  engine_.turn();
  if (!is_posted_) {
    moments_of(current_)->posted = now_us();
    is_posted_ = true;
  }
  for (Ended& ended : engine_.take_ended()) {
    if (Moments* moments = moments_of(ended.request)) {
      moments->ended = now_us();
      moments->writing_us = transport().take_writing_us();
    }
    ended_.push_back(std::move(ended));
  }
}

std::vector<SenderSide::Ended> SenderSide::take_ended() {
  for (const Ended& ended : ended_) {
    if (making_.erase(ended.request) != 0) engine_.release(ended.request);
  }
  return std::exchange(ended_, {});
}

bool SenderSide::holds_of(comm::NodeId peer) const {
  return engine_.has_handoffs_to(peer) || engine_.staging_bytes_taken() != 0;
}

std::int64_t SenderSide::plain_write_us(std::size_t bytes) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  const std::int64_t started_us = now_us();
  for (std::size_t at = 0; at < bytes; at += kBlock) {
    const Bytes source(staging_.data + at, std::min(kBlock, bytes - at));
    need(transport().write(arena_, at, source, kPlainWrite));
    ++plain_open_;
  }
  need(transport().flush(kReceiver, kPlainFlush));
  ++plain_open_;
  while (plain_open_ != 0) {
    if (!turn()) transport().wait(std::chrono::milliseconds(100));
  }
  (void)transport().take_writing_us();
  return now_us() - started_us;
}

ReceiverSide::ReceiverSide(const SideOptions& options)
    : Side(options),
      arena_(need(transport().allocate(options.arena_bytes, comm::MemoryKind::kHost))),
      engine_(transport(), arena_, *this,
              {.range = {0, kLayers, 0, 1}, .first_epoch = options.incarnation << 40}) {}

void ReceiverSide::on_message(comm::NodeId peer, MessageType type, Bytes payload) {
  if (options_.moments != nullptr) {
    if (type == MessageType::kPieces) {
      if (const auto pieces = runtime::PiecesMessage::decode(payload)) {
        moments_of(pieces->request)->announced = now_us();
      }
    } else if (type == MessageType::kManifest) {
      if (const auto manifest = runtime::ManifestMessage::decode(payload)) {
        moments_of(manifest->request)->closed = now_us();
      }
    }
  }
  engine_.take(peer, type, payload);
}

void ReceiverSide::on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) {
  engine_.peer_lost(peer, why, fate);
}

void ReceiverSide::on_turn() {
  // A turn after they landed: what still writes there would be seen.
  for (const runtime::LandedFrame& frame : std::exchange(landed_, {})) {
    engine_.frame_done(frame, check(frame));
  }
  engine_.turn();
}

Status ReceiverSide::check(const runtime::LandedFrame& frame) {
  const std::int32_t number = frame.piece.range.layer_first;
  options_.checked->bytes += frame.bytes.size();
  if (frame.piece.checksum == checksum_of(frame.request, number) &&
      frame.bytes.size() == options_.load.bytes_of(frame.request, number) &&
      is_content(frame.request, number, frame.bytes)) {
    return {};
  }
  ++options_.checked->wrong_frames;
  return make_error(ErrorCode::kCorrupt, "a frame holds other bytes than its writer wrote");
}

Result<bool> ReceiverSide::open(RequestId request, const runtime::ReceiveTerms&) {
  if (!open_.insert(request).second) fail("a request was opened twice");
  return true;
}

void ReceiverSide::take(const runtime::LandedFrame& frame) {
  if (options_.checked == nullptr) return engine_.frame_done(frame, {});
  const Status landed = check(frame);
  if (!landed) return engine_.frame_done(frame, landed);
  landed_.push_back(frame);
}

void ReceiverSide::complete(RequestId request, const std::vector<runtime::ManifestMessage>&) {
  if (open_.erase(request) != 1) fail("a request is complete that is not open");
  if (Moments* moments = moments_of(request)) moments->usable = now_us();
  news_.push_back({request, true});
}

void ReceiverSide::drop(RequestId request, const Error&, bool) {
  open_.erase(request);
  news_.push_back({request, false});
}

}  // namespace sluice::bench
