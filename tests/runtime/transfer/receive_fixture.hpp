// SPDX-License-Identifier: Apache-2.0
// A ReceiveEngine, a sink that checks bytes, and writers played by the test, in one thread over the
// loopback transport.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "comm/registry.hpp"
#include "runtime/transfer/checksum.hpp"
#include "runtime/transfer/receive_engine.hpp"

namespace sluice::runtime::testing {

inline constexpr comm::NodeId kReceiver = 1;
inline constexpr std::int64_t kTokens = 40;
inline constexpr CacheRange kWhole{0, 4, 0, 2};

inline std::uint64_t sum_of(Bytes bytes) {
  std::uint64_t sum = 0;
  for (const std::byte byte : bytes) sum = fold_checksum(sum, static_cast<std::uint64_t>(byte));
  return sum;
}

class TestSink final : public FrameSink {
 public:
  Result<bool> open(RequestId request, const ReceiveTerms& terms) override {
    if (refuse_with) return *refuse_with;
    if (!has_room) return false;
    EXPECT_TRUE(open_.insert({request, terms.prompt_tokens}).second) << "opened twice";
    ++opened;
    return true;
  }
  void take(const LandedFrame& frame) override {
    ++taken;
    if (holds) {
      held.push_back(frame);
    } else {
      done(frame);
    }
  }
  void complete(RequestId request, const std::vector<ManifestMessage>& manifests) override {
    EXPECT_EQ(open_.erase(request), 1U);
    for (const LandedFrame& frame : held) EXPECT_NE(frame.request, request);
    completed.emplace_back(request, manifests.size());
  }
  void drop(RequestId request, const Error& error, bool tell) override {
    for (const LandedFrame& frame : held) EXPECT_NE(frame.request, request);
    open_.erase(request);
    dropped.push_back({request, error, tell});
  }

  // Reports a frame as what its bytes say.
  void done(const LandedFrame& frame) {
    const bool is_whole = sum_of(frame.bytes) == frame.piece.checksum;
    engine->frame_done(frame, is_whole ? Status() : make_error(ErrorCode::kCorrupt, "torn"));
  }
  void done_all() {
    for (const LandedFrame& frame : std::exchange(held, {})) done(frame);
  }
  std::size_t open_requests() const { return open_.size(); }

  struct Dropped {
    RequestId request = 0;
    Error error;
    bool tell = false;
  };

  ReceiveEngine* engine = nullptr;
  bool has_room = true;
  std::optional<Error> refuse_with;
  bool holds = false;  // frames stay in `held`
  std::vector<LandedFrame> held;
  int opened = 0;
  int taken = 0;
  std::vector<std::pair<RequestId, std::size_t>> completed;  // and of how many manifests
  std::vector<Dropped> dropped;

 private:
  std::map<RequestId, std::int64_t> open_;
};

// A prefill worker as the test plays it.
class Writer {
 public:
  Writer(comm::NodeId self, comm::Transport& receiver, const comm::Region& arena)
      : transport_(comm::open_transport("loopback", {.self = self}).value()) {
    EXPECT_TRUE(transport_->connect(kReceiver, receiver.address()).has_value());
    EXPECT_TRUE(receiver.connect(self, transport_->address()).has_value());
    arena_ = transport_->import_region(kReceiver, receiver.export_region(arena).value()).value();
  }

  comm::NodeId self() const { return transport_->self(); }

  template <class Message>
  void send(MessageType type, const Message& message) {
    EXPECT_TRUE(transport_->send(kReceiver, static_cast<std::uint16_t>(type), message.encode())
                    .has_value());
  }
  void want(RequestId id, std::uint64_t bytes, std::uint64_t largest = 64,
            CacheRange range = kWhole, std::int32_t writers = 1) {
    send(MessageType::kWant, WantMessage{id, kTokens, 4, bytes, largest, range, writers, 0, {}});
  }
  void fail(RequestId id) {
    send(MessageType::kFailed, FailedMessage{id, ErrorCode::kCancelled, "over"});
  }

  // All that came since the last call, by type.
  std::map<MessageType, std::vector<std::vector<std::byte>>> received() {
    std::map<MessageType, std::vector<std::vector<std::byte>>> all;
    std::vector<comm::Completion> one(1);
    while (transport_->poll(one) == 1) {
      if (one[0].kind != comm::CompletionKind::kMessage) continue;
      all[static_cast<MessageType>(one[0].type)].push_back(std::move(one[0].payload));
    }
    return all;
  }
  std::optional<GrantMessage> granted() {
    auto all = received();
    if (all[MessageType::kGrant].empty()) return std::nullopt;
    return GrantMessage::decode(all[MessageType::kGrant].front()).value();
  }
  std::vector<FailedMessage> failures() {
    std::vector<FailedMessage> failures;
    const auto payloads = received()[MessageType::kFailed];
    for (const auto& payload : payloads) {
      failures.push_back(FailedMessage::decode(payload).value());
    }
    return failures;
  }

  // A frame of 64 bytes of a part of the cache, written and flushed at a place of a slot.
  Piece put(const GrantMessage& slot, CacheRange range, std::int64_t first, std::int64_t last,
            std::uint64_t offset) {
    std::vector<std::byte> bytes(64, static_cast<std::byte>(range.layer_first * 7 + first + 1));
    bytes[1] = static_cast<std::byte>(range.head_first);
    const Piece piece{range, first, last, offset, bytes.size(), sum_of(bytes)};
    write(slot, offset, bytes);
    return piece;
  }
  void write(const GrantMessage& slot, std::uint64_t offset, Bytes bytes) {
    EXPECT_TRUE(transport_->write(arena_, slot.offset_bytes + offset, bytes, 1).has_value());
    EXPECT_TRUE(transport_->flush(kReceiver, 2).has_value());
  }
  // A frame for each layer, one after another from the slot's start.
  std::vector<Piece> put_all(const GrantMessage& slot, CacheRange range = kWhole) {
    std::vector<Piece> pieces;
    for (std::int32_t i = 0; i < range.layer_count; ++i) {
      const CacheRange layer{range.layer_first + i, 1, range.head_first, range.head_count};
      pieces.push_back(put(slot, layer, 0, kTokens, static_cast<std::uint64_t>(i) * 64));
    }
    return pieces;
  }
  void announce(const GrantMessage& slot, const std::vector<Piece>& pieces) {
    send(MessageType::kPieces, PiecesMessage{slot.request, slot.epoch, pieces});
  }
  static ManifestMessage manifest(const GrantMessage& slot, std::vector<Piece> pieces,
                                  CacheRange range = kWhole) {
    ManifestMessage message;
    message.request = slot.request;
    message.epoch = slot.epoch;
    message.range = range;
    message.prompt_tokens = kTokens;
    message.tokens_max = 4;
    message.frames = pieces.size();
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
      return std::tuple(a.range.layer_first, a.range.head_first, a.first_token) <
             std::tuple(b.range.layer_first, b.range.head_first, b.first_token);
    });
    for (const Piece& piece : pieces) {
      message.checksum = fold_checksum(message.checksum, piece.checksum);
    }
    return message;
  }

 private:
  std::unique_ptr<comm::Transport> transport_;
  comm::RemoteRegion arena_;
};

struct Receiver {
  std::unique_ptr<comm::Transport> transport =
      comm::open_transport("loopback", {.self = kReceiver}).value();
  comm::Region arena;
  TestSink sink;
  std::unique_ptr<ReceiveEngine> engine;
  std::map<comm::NodeId, std::unique_ptr<Writer>> writers;

  explicit Receiver(std::size_t arena_bytes, ReceiveOptions options = {.range = kWhole}) {
    arena = transport->allocate(arena_bytes, comm::MemoryKind::kHost).value();
    engine = std::make_unique<ReceiveEngine>(*transport, arena, sink, options);
    sink.engine = engine.get();
  }

  Writer& writer(comm::NodeId node = 10) {
    auto& writer = writers[node];
    if (writer == nullptr) writer = std::make_unique<Writer>(node, *transport, arena);
    return *writer;
  }

  // Everything that came is taken, then one turn.
  void turn() {
    std::vector<comm::Completion> one(1);
    while (transport->poll(one) == 1) {
      if (one[0].kind == comm::CompletionKind::kMessage) {
        EXPECT_TRUE(
            engine->take(one[0].peer, static_cast<MessageType>(one[0].type), one[0].payload));
      }
      if (one[0].kind == comm::CompletionKind::kPeerLost) {
        engine->peer_lost(one[0].peer, one[0].status, one[0].fate);
      }
    }
    engine->turn();
  }
  // Asks for a slot and gets it.
  GrantMessage grant(RequestId id, std::uint64_t bytes = 256, comm::NodeId node = 10,
                     std::uint64_t largest = 256) {
    writer(node).want(id, bytes, largest);
    turn();
    const auto slot = writer(node).granted();
    EXPECT_TRUE(slot.has_value());
    return slot.value_or(GrantMessage{});
  }
  std::size_t taken_bytes() const { return engine->memory().taken_bytes; }
  std::size_t quarantined_bytes() const { return engine->memory().quarantined_bytes; }
};

}  // namespace sluice::runtime::testing
