// SPDX-License-Identifier: Apache-2.0
// Two ends of a handoff in one thread, over the loopback transport.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "comm/registry.hpp"
#include "kernels/elementwise/kv_rows.hpp"
#include "runtime/transfer/checksum.hpp"
#include "runtime/frames/kv_pages.hpp"
#include "runtime/transfer/receive_session.hpp"
#include "runtime/transfer/send_session.hpp"

namespace sluice::runtime::testing {

inline constexpr comm::NodeId kSource = 1;
inline constexpr comm::NodeId kTarget = 2;
inline constexpr std::int64_t kTokens = 75;  // not a multiple of a block

struct Handoff {
  KvShape shape{3, 2, 8, DType::kBF16};
  FrameLayout layout = FrameLayout::of(shape, kTokens);
  std::unique_ptr<comm::Transport> source;
  std::unique_ptr<comm::Transport> target;
  comm::Region staging;
  comm::Region arena;
  comm::RemoteRegion remote_arena;
  std::unique_ptr<KvPool> pool;
  GrantMessage grant{7, 5, 512, 0};
  std::unique_ptr<SendSession> sender;
  std::unique_ptr<ReceiveSession> receiver;
  comm::OperationId next_operation = 1;

  Handoff() {
    source = open(kSource);
    target = open(kTarget);
    EXPECT_TRUE(source->connect(kTarget, target->address()).has_value());
    EXPECT_TRUE(target->connect(kSource, source->address()).has_value());
    grant.bytes = layout.bytes();
    staging = source->allocate(layout.bytes(), comm::MemoryKind::kHost).value();
    arena = target->allocate(layout.bytes() + 4096, comm::MemoryKind::kHost).value();
    remote_arena = source->import_region(kTarget, target->export_region(arena).value()).value();
    pool = KvPool::create(shape, kv_blocks_for(kTokens) + 1).value();
    std::mt19937 random(3);
    for (std::size_t i = 0; i < layout.bytes(); ++i) {
      staging.data[i] = static_cast<std::byte>(random());
    }
    sender = std::make_unique<SendSession>(7, kTarget, layout, Bytes(staging.data, layout.bytes()));
    receiver = std::make_unique<ReceiveSession>(
        grant, kSource, layout, Bytes(arena.data + grant.offset_bytes, layout.bytes()),
        pool->acquire(kv_blocks_for(kTokens)).value());
  }

  static std::unique_ptr<comm::Transport> open(comm::NodeId node) {
    return comm::open_transport("loopback", {.self = node}).value();
  }

  Piece piece(std::int32_t layer, std::int64_t first, std::int64_t last) const {
    const Bytes rows(staging.data + layout.offset_bytes(layer, first),
                     static_cast<std::size_t>(last - first) * layout.row_bytes);
    return {layer, 0, first, last, checksum(rows)};
  }
  void add_all_pieces() {
    for (std::int64_t first = 0; first < kTokens; first += 32) {
      for (std::int32_t layer = 0; layer < shape.layers; ++layer) {
        sender->add_piece(piece(layer, first, std::min(first + 32, kTokens)));
      }
    }
  }
  ManifestMessage manifest() const {
    ManifestMessage manifest;
    manifest.request = 7;
    manifest.prompt_tokens = kTokens;
    manifest.tokens_max = 4;
    manifest.first_token = 42;
    return manifest;
  }

  // Posts, progresses both ends, and gives back the messages that reached the target.
  std::vector<comm::Completion> turn() {
    EXPECT_TRUE(sender->advance(*source, next_operation).has_value());
    std::vector<comm::Completion> completions(64);
    const std::size_t count = source->poll(completions);
    for (std::size_t i = 0; i < count; ++i) {
      sender->complete(completions[i].operation, completions[i].status);
    }
    std::vector<comm::Completion> messages(64);
    messages.resize(target->poll(messages));
    return messages;
  }
  // Until the sender has said its last word.
  std::vector<comm::Completion> run() {
    std::vector<comm::Completion> all;
    for (int i = 0; i < 1000 && !sender->is_over(); ++i) {
      for (comm::Completion& message : turn()) all.push_back(std::move(message));
    }
    for (comm::Completion& message : turn()) all.push_back(std::move(message));
    EXPECT_TRUE(sender->is_over());
    return all;
  }
};

}  // namespace sluice::runtime::testing
