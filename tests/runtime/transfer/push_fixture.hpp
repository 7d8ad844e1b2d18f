// SPDX-License-Identifier: Apache-2.0
// A sender's end of handoffs in one thread: a transport on which writes land, and operations come
// back, when the test says so, and a target that the test plays.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "runtime/transfer/checksum.hpp"
#include "runtime/transfer/push_engine.hpp"

namespace sluice::runtime::testing {

inline constexpr comm::NodeId kTarget = 2;
inline constexpr comm::NodeId kOther = 3;

class StepTransport : public comm::Transport {
 public:
  struct Write {
    comm::NodeId peer = 0;
    std::size_t offset = 0;
    Bytes source;
    comm::OperationId operation = 0;
  };
  struct Sent {
    comm::NodeId peer = 0;
    MessageType type = MessageType::kWant;
    std::vector<std::byte> payload;
    std::size_t writes_unlanded = 0;  // when it was sent
  };

  comm::NodeId self() const override { return 1; }
  std::int64_t now_us() const override { return now; }
  std::vector<std::byte> address() const override { return {}; }
  Status connect(comm::NodeId, Bytes) override { return {}; }
  Result<comm::Region> allocate(std::size_t bytes, comm::MemoryKind kind) override {
    memory.resize(bytes);
    return comm::Region{memory.data(), bytes, 1, kind};
  }
  void release(const comm::Region&) override {}
  Result<std::vector<std::byte>> export_region(const comm::Region&) override {
    return std::vector<std::byte>{};
  }
  Result<comm::RemoteRegion> import_region(comm::NodeId, Bytes) override {
    return comm::RemoteRegion{};
  }
  void forget_region(const comm::RemoteRegion&) override {}
  Status write(const comm::RemoteRegion& target, std::size_t offset, Bytes source,
               comm::OperationId operation) override {
    if (!write_status) return write_status;
    EXPECT_LE(offset + source.size(), target.bytes);
    writes.push_back({target.peer, offset, source, operation});
    ++writes_posted;
    return {};
  }
  Status flush(comm::NodeId peer, comm::OperationId operation) override {
    if (!flush_status) return flush_status;
    flushes.push_back({peer, operation, writes_posted});
    return {};
  }
  Status send(comm::NodeId peer, std::uint16_t type, Bytes payload, comm::OperationId) override {
    if (!send_status) return send_status;
    sent.push_back({peer,
                    static_cast<MessageType>(type),
                    {payload.begin(), payload.end()},
                    writes_posted - writes_landed});
    return {};
  }
  std::size_t poll(std::span<comm::Completion>) override { return 0; }
  void wait(std::chrono::milliseconds) override {}
  void wake() override {}
  void close(comm::NodeId) override {}
  std::vector<std::string> lanes(comm::NodeId) const override { return {}; }

  // The oldest write lands; its completion.
  comm::Completion land(Status status = {}) {
    const Write write = writes.front();
    writes.pop_front();
    ++writes_landed;
    ++now;
    if (status) std::memcpy(arena.data() + write.offset, write.source.data(), write.source.size());
    return done(comm::CompletionKind::kWriteDone, write.peer, write.operation, std::move(status));
  }
  bool can_flush() const {
    return !flushes.empty() && flushes.front().writes_before <= writes_landed;
  }
  comm::Completion finish_flush(Status status = {}) {
    const Flush flush = flushes.front();
    flushes.pop_front();
    ++now;
    return done(comm::CompletionKind::kFlushDone, flush.peer, flush.operation, std::move(status));
  }
  static comm::Completion done(comm::CompletionKind kind, comm::NodeId peer,
                               comm::OperationId operation, Status status) {
    comm::Completion completion;
    completion.kind = kind;
    completion.peer = peer;
    completion.operation = operation;
    completion.status = std::move(status);
    return completion;
  }

  struct Flush {
    comm::NodeId peer = 0;
    comm::OperationId operation = 0;
    std::size_t writes_before = 0;
  };
  std::int64_t now = 1000;
  std::vector<std::byte> memory;  // the staging region
  std::vector<std::byte> arena;   // of every target
  std::deque<Write> writes;       // not landed
  std::deque<Flush> flushes;
  std::vector<Sent> sent;
  std::size_t writes_posted = 0;
  std::size_t writes_landed = 0;
  Status write_status, flush_status, send_status;  // of what is posted from now on
};

inline WantMessage want_of(RequestId id, std::uint64_t bytes, std::uint64_t largest = 0) {
  WantMessage want;
  want.request = id;
  want.prompt_tokens = 8;
  want.frame_bytes = bytes;
  want.frame_bytes_largest = largest == 0 ? bytes : largest;
  want.range = {0, 30, 0, 2};
  return want;
}

// A frame of a layer each.
inline Piece piece_of(std::int32_t layer, std::uint64_t offset, std::uint64_t bytes) {
  Piece piece;
  piece.range = {layer, 1, 0, 2};
  piece.last_token = 8;
  piece.offset_bytes = offset;
  piece.bytes = bytes;
  piece.checksum = 1000U + static_cast<std::uint64_t>(layer);
  return piece;
}

inline ManifestMessage manifest_of(RequestId id) {
  ManifestMessage manifest;
  manifest.request = id;
  manifest.prompt_tokens = 8;
  manifest.first_token = 42;
  return manifest;
}

inline void fill(MutableBytes bytes, unsigned seed) {
  std::mt19937 random(seed);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
}

class PushFixture : public ::testing::Test {
 protected:
  static constexpr std::size_t kStagingBytes = std::size_t{1} << 20;
  static constexpr std::size_t kArenaBytes = std::size_t{2} << 20;
  static constexpr std::uint64_t kEpoch = 11;

  PushFixture() {
    transport.arena.resize(kArenaBytes);
    staging = transport.allocate(kStagingBytes, comm::MemoryKind::kHost).value();
    make_engine({});
  }
  void make_engine(PushOptions options) {
    engine = std::make_unique<PushEngine>(transport, staging, options);
    for (const comm::NodeId peer : {kTarget, kOther}) {
      engine->set_arena(peer, {peer, peer, kArenaBytes});
    }
  }

  // Staging memory of random bytes for a handoff that asked kTarget for a slot.
  MutableBytes open(RequestId id, std::uint64_t bytes, std::uint64_t largest = 0) {
    const auto memory = engine->open({kTarget, want_of(id, bytes, largest)});
    EXPECT_TRUE(memory.has_value());
    if (!memory) return {};
    fill(*memory, static_cast<unsigned>(id));
    return *memory;
  }
  void grant(RequestId id, std::uint64_t offset, std::uint64_t bytes, comm::NodeId peer = kTarget,
             std::uint64_t epoch = kEpoch) {
    engine->take(peer, MessageType::kGrant, GrantMessage{id, epoch, offset, bytes}.encode());
  }
  template <class Message>
  bool tell(MessageType type, const Message& message, comm::NodeId peer = kTarget) {
    return engine->take(peer, type, message.encode());
  }
  // One operation comes back; false when none is under way.
  bool step() {
    if (transport.can_flush()) return engine->take(transport.finish_flush());
    if (!transport.writes.empty()) return engine->take(transport.land());
    return false;
  }
  void run() {
    engine->turn();
    while (step()) engine->turn();
  }
  std::vector<Piece> pieces_sent(RequestId id) const {
    std::vector<Piece> all;
    for (const auto& message : transport.sent) {
      if (message.type != MessageType::kPieces) continue;
      const auto pieces = PiecesMessage::decode(message.payload).value();
      if (pieces.request != id) continue;
      EXPECT_EQ(pieces.epoch, kEpoch);
      all.insert(all.end(), pieces.pieces.begin(), pieces.pieces.end());
    }
    return all;
  }
  std::vector<MessageType> types_sent() const {
    std::vector<MessageType> types;
    for (const auto& message : transport.sent) types.push_back(message.type);
    return types;
  }

  StepTransport transport;
  comm::Region staging;
  std::unique_ptr<PushEngine> engine;
};

}  // namespace sluice::runtime::testing
