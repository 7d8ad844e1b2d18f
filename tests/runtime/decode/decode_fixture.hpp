// SPDX-License-Identifier: Apache-2.0
// A decode worker between a router and prefill workers that the test plays, in one thread: the
// worker takes its turns when the test says so, and what it has computed is a counter.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/decode/decode_worker.hpp"
#include "runtime/frames/frame_encoder.hpp"
#include "runtime/frames/kv_pages.hpp"
#include "runtime/transfer/checksum.hpp"
#include "tests/support/played_peer.hpp"

namespace sluice::runtime::testing {

inline constexpr comm::NodeId kRouterNode = 0;
inline constexpr comm::NodeId kPrefillNode = 1;
inline constexpr comm::NodeId kDecodeNode = 2;
inline constexpr comm::NodeId kOtherNode = 3;  // another prefill worker
inline constexpr std::int64_t kTokens = 75;    // not a multiple of a block
inline constexpr std::int64_t kAnswer = 3;
inline constexpr std::int64_t kVocab = 97;

// Every token is the one before it plus one, at once.
class CountingCompute final : public DecodeCompute {
 public:
  explicit CountingCompute(std::function<void(DecodeEvent)> emit) : emit_(std::move(emit)) {
    emit_({0, DecodeEvent::Loaded{true, {}}, {}});
  }
  void submit(DecodeJob job) override {
    jobs.push_back(std::move(job));
    if (!holds) finish(jobs.back());
  }
  void cancel(RequestId request) override {
    for (DecodeJob& job : jobs) {
      if (job.request != request || job.sequence.blocks.empty()) continue;
      end(job, {0, 0, FinishReason::kCancelled, 0});
    }
  }
  void finish(DecodeJob& job) {
    if (!job.prompt.empty()) begin(job);
    if (job.tokens_max == 1) return;
    for (std::int64_t index = 1; index < job.tokens_max; ++index) {
      const auto token = static_cast<TokenId>(job.first_token + index);
      const DecodeEvent::Token event{index, token, FinishReason::kNone, 0};
      if (index + 1 == job.tokens_max) return end(job, {index, token, FinishReason::kLength, 0});
      emit_({job.request, event, {}});
    }
  }

  bool holds = false;
  std::vector<DecodeJob> jobs;

 private:
  // The first token of a prompt that is computed here is its last one plus one.
  void begin(DecodeJob& job) {
    job.sequence.tokens = static_cast<std::int64_t>(job.prompt.size());
    job.first_token = job.prompt.back() + 1;
    DecodeEvent::Token first{0, job.first_token, FinishReason::kNone};
    first.queue_us = 7;
    first.prefill_us = 40;
    if (job.tokens_max == 1) {
      first.finish = FinishReason::kLength;
      return end(job, first);
    }
    emit_({job.request, first, {}});
  }
  void end(DecodeJob& job, const DecodeEvent::Token& last) {
    emit_({job.request, last, std::exchange(job.sequence.blocks, {})});
  }

  std::function<void(DecodeEvent)> emit_;
};

// A prompt's cache of random numbers, and frames of it.
struct FramedCache {
  KvShape shape{4, 2, 8, DType::kBF16};
  kernels::CacheShape cache_shape{.layers = 4, .kv_heads = 2, .head_dim = 8, .rope = {}};
  std::shared_ptr<const kernels::Pipeline> pipeline =
      kernels::Pipeline::create({.name = "raw", .summary = "", .stages = {}}, cache_shape, nullptr)
          .value();
  std::unique_ptr<KvPool> pool = KvPool::create(shape, kv_blocks_for(kTokens)).value();
  std::vector<KvBlockId> blocks = pool->acquire(kv_blocks_for(kTokens)).value();

  FramedCache() {
    std::mt19937 random(3);
    for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
      for (const KvBlockId block : blocks) {
        auto* values = reinterpret_cast<std::uint16_t*>(pool->block(layer, block));
        for (std::size_t i = 0; i < pool->block_bytes() / 2; ++i) {
          values[i] = bf16_from_f32(static_cast<float>(random() % 1000) / 100.0F - 5.0F);
        }
      }
    }
  }

  struct Frames {
    CacheRange range;
    std::vector<std::byte> memory;
    std::vector<Piece> pieces;  // by (layer_first, head_first, first_token)
    std::uint64_t largest = 0;
  };
  Frames frames(const CacheRange& range, std::int64_t first_token = 0) {
    Frames frames;
    const FramePlan plan = plan_frames(*pipeline, kTokens, 32, range, first_token);
    frames.range = plan.range;
    frames.memory.resize(plan.bytes);
    for (const PlannedFrame& frame : plan.frames) {
      frames.largest = std::max<std::uint64_t>(frames.largest, frame.bytes_max);
    }
    EncodeRequest request;
    request.pipeline = pipeline;
    request.plan = plan;
    request.kv_pool = pool.get();
    request.blocks = blocks;
    request.tokens = kTokens;
    request.memory = frames.memory;
    CodecPool here(0);
    FrameEncoder encoder(here, std::move(request), [&](const MadeFrame& made) {
      const PlannedFrame& place = made.place;
      frames.pieces.push_back({place.range(), place.first_token, place.last_token, place.offset,
                               made.bytes, made.checksum});
    });
    for (std::int64_t layer = 0; layer < shape.layers; ++layer) encoder.layer_ready(layer, kTokens);
    EXPECT_TRUE(encoder.finish().has_value());
    std::sort(frames.pieces.begin(), frames.pieces.end(), [](const Piece& a, const Piece& b) {
      return std::tuple(a.range.layer_first, a.range.head_first, a.first_token) <
             std::tuple(b.range.layer_first, b.range.head_first, b.first_token);
    });
    return frames;
  }

  // A layer's rows as they are in some pool.
  std::vector<std::byte> rows(KvPool& of, const std::vector<KvBlockId>& in, std::int64_t layer) {
    const PagesOfLayer pages(of, in, layer);
    std::vector<std::byte> packed(static_cast<std::size_t>(kTokens) * pages.view().row_bytes());
    kernels::pack_kv_rows(pages.view(), 0, kTokens, packed.data());
    return packed;
  }
};

class DecodeWorkerFixture : public ::testing::Test {
 protected:
  using Frames = FramedCache::Frames;
  static constexpr CacheRange kWhole{0, 4, 0, 2};

  void SetUp() override { start(0); }
  void start(int threads) {
    worker_.reset();  // it borrows the cluster
    cluster_ = Cluster();
    cluster_.self = kDecodeNode;
    cluster_.router = kRouterNode;
    cluster_.host = "here";
    cluster_.transport = comm::open_transport("loopback", {.self = kDecodeNode}).value();
    // Room for one request: a slot that is not given back shows at once.
    cluster_.memory =
        cluster_.transport->allocate(whole_.memory.size(), comm::MemoryKind::kHost).value();
    for (tests::PlayedPeer* peer : {&router_, &prefill_, &other_}) peer->meet(cluster_);
    const auto key = cluster_.transport->export_region(cluster_.memory).value();
    arena_ = prefill_->import_region(kDecodeNode, key).value();
    DecodeWorkerOptions options = options_;
    options.vocab = kVocab;
    options.codec_threads = threads;
    options.end_tokens = end_tokens_;
    auto pool = KvPool::create(cache_.shape, 4).value();
    worker_ = std::make_unique<DecodeWorker>(
        cluster_, options, decoder_, std::move(pool),
        [this](KvPool& of_worker, std::function<void(DecodeEvent)> emit) {
          pool_ = &of_worker;
          auto compute = std::make_unique<CountingCompute>(std::move(emit));
          compute_ = compute.get();
          return compute;
        });
    turn();
    EXPECT_TRUE(LoadingMessage::decode(router_.next(MessageType::kLoading))->ready);
  }

  void turn() {
    for (int i = 0; i < 4; ++i) worker_->turn();
  }
  WantMessage want(RequestId id, const Frames& frames, std::int32_t writers = 1) const {
    return {id,
            kTokens,
            kAnswer,
            frames.memory.size(),
            frames.memory.size() / writers,
            frames.range,
            writers,
            0,
            {}};
  }
  GrantMessage granted(tests::PlayedPeer& peer, RequestId id) {
    const auto grant = GrantMessage::decode(peer.next(MessageType::kGrant));
    EXPECT_TRUE(grant.has_value());
    EXPECT_EQ(grant->request, id);
    return *grant;
  }
  GrantMessage grant(RequestId id) {
    prefill_.send(MessageType::kWant, want(id, whole_).encode());
    turn();
    return granted(prefill_, id);
  }
  void write(const GrantMessage& grant, const Frames& frames) {
    ASSERT_LE(frames.memory.size(), grant.bytes);
    ASSERT_TRUE(prefill_->write(arena_, grant.offset_bytes, frames.memory, 1).has_value());
    ASSERT_TRUE(prefill_->flush(kDecodeNode, 2).has_value());
  }
  static PiecesMessage pieces(const GrantMessage& grant, const Frames& frames) {
    return {grant.request, grant.epoch, frames.pieces};
  }
  static ManifestMessage manifest(const GrantMessage& grant, const Frames& frames) {
    ManifestMessage message;
    message.request = grant.request;
    message.epoch = grant.epoch;
    message.range = frames.range;
    message.prompt_tokens = kTokens;
    message.tokens_max = kAnswer;
    message.first_token = 5;
    message.frames = frames.pieces.size();
    for (const Piece& piece : frames.pieces) {
      message.checksum = fold_checksum(message.checksum, piece.checksum);
    }
    return message;
  }
  void hand_over(const GrantMessage& grant) {
    write(grant, whole_);
    prefill_.send(MessageType::kPieces, pieces(grant, whole_).encode());
    prefill_.send(MessageType::kManifest, manifest(grant, whole_).encode());
    turn();
  }
  // The frames one after another through a slot that may be smaller than all of them.
  void send_through_ring(tests::PlayedPeer& peer, const GrantMessage& slot, const Frames& frames) {
    std::uint64_t place = 0;
    for (Piece piece : frames.pieces) {
      const Bytes bytes = Bytes(frames.memory).subspan(piece.offset_bytes, piece.bytes);
      if (place + piece.bytes > slot.bytes) {
        turn();
        (void)peer.next(MessageType::kTaken);
        place = 0;
      }
      piece.offset_bytes = place;
      place += (piece.bytes + 63) / 64 * 64;
      // Any process's write, as far as this memory can tell.
      ASSERT_TRUE(
          prefill_->write(arena_, slot.offset_bytes + piece.offset_bytes, bytes, 1).has_value());
      ASSERT_TRUE(prefill_->flush(kDecodeNode, 2).has_value());
      peer.send(MessageType::kPieces, PiecesMessage{slot.request, slot.epoch, {piece}}.encode());
    }
  }
  void expect_answer(RequestId id) {
    for (std::int64_t index = 0; index < kAnswer; ++index) {
      const auto token = TokenMessage::decode(router_.next(MessageType::kToken));
      ASSERT_TRUE(token.has_value());
      EXPECT_EQ(token->request, id);
      EXPECT_EQ(token->index, index);
      EXPECT_EQ(token->token, 5 + index);
      EXPECT_EQ(token->finish, index + 1 == kAnswer ? FinishReason::kLength : FinishReason::kNone);
    }
  }
  void expect_all_taken(tests::PlayedPeer& peer) {
    while (true) {
      const auto taken = TakenMessage::decode(peer.next(MessageType::kTaken));
      ASSERT_TRUE(taken.has_value());
      if (taken->is_all) return;
    }
  }
  FailedMessage failure(tests::PlayedPeer& peer) {
    return FailedMessage::decode(peer.next(MessageType::kFailed)).value();
  }
  // Nothing is held any more.
  void expect_idle() {
    EXPECT_EQ(worker_->free_blocks(), 4);
    EXPECT_EQ(worker_->memory().taken_bytes, 0U);
  }

  DecodeWorkerOptions options_;  // of the next start()
  FramedCache cache_;
  const Frames whole_ = cache_.frames(kWhole);
  const kernels::FrameDecoder decoder_{cache_.cache_shape, nullptr};
  std::vector<TokenId> end_tokens_{90};
  Cluster cluster_;
  tests::PlayedPeer router_{kRouterNode};
  tests::PlayedPeer prefill_{kPrefillNode};
  tests::PlayedPeer other_{kOtherNode};
  comm::RemoteRegion arena_;
  KvPool* pool_ = nullptr;
  CountingCompute* compute_ = nullptr;
  std::unique_ptr<DecodeWorker> worker_;
};

}  // namespace sluice::runtime::testing
