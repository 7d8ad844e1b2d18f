// SPDX-License-Identifier: Apache-2.0
// Two ends of a handoff in one thread, over the loopback transport.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include "comm/registry.hpp"
#include "runtime/frames/frame_decode.hpp"
#include "runtime/frames/frame_encoder.hpp"
#include "runtime/transfer/checksum.hpp"
#include "runtime/transfer/receive_session.hpp"
#include "runtime/transfer/send_session.hpp"

namespace sluice::runtime::testing {

inline constexpr comm::NodeId kSource = 1;
inline constexpr comm::NodeId kTarget = 2;
inline constexpr std::int64_t kTokens = 75;  // not a multiple of a block

struct Handoff {
  KvShape shape{3, 2, 8, DType::kBF16};
  kernels::CacheShape cache_shape{.layers = 3, .kv_heads = 2, .head_dim = 8, .rope = {}};
  std::shared_ptr<const kernels::Pipeline> pipeline =
      kernels::Pipeline::create({.name = "raw", .summary = "", .stages = {}}, cache_shape, nullptr)
          .value();
  kernels::FrameDecoder decoder{cache_shape, nullptr};
  FramePlan plan = plan_frames(*pipeline, kTokens, 32);
  std::unique_ptr<KvPool> source_pool;
  std::vector<KvBlockId> source_blocks;
  std::vector<Piece> pieces;  // of all frames, in the order of (layer_first, first_token)
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
    grant.bytes = plan.bytes;
    staging = source->allocate(plan.bytes, comm::MemoryKind::kHost).value();
    arena = target->allocate(plan.bytes + 4096, comm::MemoryKind::kHost).value();
    remote_arena = source->import_region(kTarget, target->export_region(arena).value()).value();
    pool = KvPool::create(shape, kv_blocks_for(kTokens) + 1).value();
    make_frames();
    sender = std::make_unique<SendSession>(7, kTarget, Bytes(staging.data, plan.bytes));
    receiver = std::make_unique<ReceiveSession>(grant, HandoffTerms{kSource, kTokens, 4, 50}, shape,
                                                Bytes(arena.data + grant.offset_bytes, plan.bytes),
                                                pool->acquire(kv_blocks_for(kTokens)).value());
  }

  // A cache of random finite numbers, and its frames in the staging memory.
  void make_frames() {
    source_pool = KvPool::create(shape, kv_blocks_for(kTokens)).value();
    source_blocks = source_pool->acquire(kv_blocks_for(kTokens)).value();
    std::mt19937 random(3);
    for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
      for (const KvBlockId block : source_blocks) {
        auto* values = reinterpret_cast<std::uint16_t*>(source_pool->block(layer, block));
        for (std::size_t i = 0; i < source_pool->block_bytes() / 2; ++i) {
          values[i] = bf16_from_f32(static_cast<float>(random() % 1000) / 100.0F - 5.0F);
        }
      }
    }
    CodecPool threads(2);
    std::mutex mutex;
    EncodeRequest request;
    request.pipeline = pipeline;
    request.plan = plan;
    request.kv_pool = source_pool.get();
    request.blocks = source_blocks;
    request.tokens = kTokens;
    request.memory = MutableBytes(staging.data, plan.bytes);
    FrameEncoder encoder(threads, std::move(request), [&](const MadeFrame& made) {
      const std::lock_guard lock(mutex);
      const PlannedFrame& place = made.place;
      pieces.push_back({static_cast<std::int32_t>(place.layer_first),
                        static_cast<std::int32_t>(place.layer_count), place.first_token,
                        place.last_token, place.offset, made.bytes, made.checksum});
    });
    for (std::int64_t layer = 0; layer < shape.layers; ++layer) encoder.layer_ready(layer, kTokens);
    EXPECT_TRUE(encoder.finish().has_value());
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
      return std::pair(a.layer_first, a.first_token) < std::pair(b.layer_first, b.first_token);
    });
  }

  // Takes a message's frames as a decode worker does, on this thread.
  Status receive(const PiecesMessage& message) {
    kernels::Scratch scratch;
    for (const MadeFrame& made : SLUICE_TRY(receiver->take(message))) {
      const auto info = SLUICE_TRY(decode_frame(decoder, receiver->bytes_of(made), made, *pool,
                                                receiver->blocks(), scratch));
      SLUICE_TRY(receiver->take(made, info));
    }
    return {};
  }

  static std::unique_ptr<comm::Transport> open(comm::NodeId node) {
    return comm::open_transport("loopback", {.self = node}).value();
  }

  void add_all_pieces() {
    for (const Piece& piece : pieces) sender->add_piece(piece);
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
