// SPDX-License-Identifier: Apache-2.0
// A decode worker between a router and a prefill worker that are played by the test.
#include "runtime/decode/decode_worker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "runtime/engine/engine_options.hpp"
#include "runtime/frames/frame_encoder.hpp"
#include "runtime/transfer/checksum.hpp"
#include "tests/support/played_peer.hpp"
#include "tests/support/source_pipelines.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

constexpr comm::NodeId kRouterNode = 0;
constexpr comm::NodeId kPrefillNode = 1;
constexpr comm::NodeId kDecodeNode = 2;
constexpr comm::NodeId kStrangerNode = 3;
constexpr std::int64_t kTokens = 20;

class DecodeWorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.self = kDecodeNode;
    cluster_.router = kRouterNode;
    cluster_.host = "here";
    cluster_.transport = comm::open_transport("loopback", {.self = kDecodeNode}).value();
    // Room for one request: a slot that is not given back shows at once.
    cluster_.memory = cluster_.transport->allocate(plan_.bytes, comm::MemoryKind::kHost).value();
    router_.meet(cluster_);
    prefill_.meet(cluster_);
    stranger_.meet(cluster_);
    arena_ =
        prefill_
            ->import_region(kDecodeNode, cluster_.transport->export_region(cluster_.memory).value())
            .value();
    staging_ = prefill_->allocate(plan_.bytes, comm::MemoryKind::kHost).value();
    make_frames();
    config_.decode.threads = 1;
    thread_ = std::thread([this] {
      DecodeWorker worker(cluster_, config_, model_, *pipelines_, KvPool::create(shape_, 4).value(),
                          {});
      EXPECT_TRUE(worker.run().has_value());
    });
    EXPECT_TRUE(LoadingMessage::decode(router_.next(MessageType::kLoading))->ready);
  }
  void TearDown() override {
    router_.send(MessageType::kShutdown, {});
    (void)router_.next(MessageType::kGoodbye);
    thread_.join();
  }

  GrantMessage want(RequestId id) {
    prefill_.send(MessageType::kWant, WantMessage{id, kTokens, 3, plan_.bytes}.encode());
    const auto grant = GrantMessage::decode(prefill_.next(MessageType::kGrant));
    EXPECT_TRUE(grant.has_value());
    EXPECT_EQ(grant->request, id);
    return *grant;
  }
  // A cache of zeros as frames in the staging memory.
  void make_frames() {
    auto pool = KvPool::create(shape_, kv_blocks_for(kTokens)).value();
    CodecPool threads(1);
    std::mutex mutex;
    EncodeRequest request;
    request.pipeline = pipelines_->standard();
    request.plan = plan_;
    request.kv_pool = pool.get();
    request.blocks = pool->acquire(kv_blocks_for(kTokens)).value();
    request.tokens = kTokens;
    request.memory = MutableBytes(staging_.data, plan_.bytes);
    FrameEncoder encoder(threads, std::move(request), [&](const MadeFrame& made) {
      const std::lock_guard lock(mutex);
      const PlannedFrame& place = made.place;
      pieces_.push_back({static_cast<std::int32_t>(place.layer_first),
                         static_cast<std::int32_t>(place.layer_count), place.first_token,
                         place.last_token, place.offset, made.bytes, made.checksum});
    });
    for (std::int64_t layer = 0; layer < shape_.layers; ++layer) {
      encoder.layer_ready(layer, kTokens);
    }
    ASSERT_TRUE(encoder.finish().has_value());
    std::sort(pieces_.begin(), pieces_.end(),
              [](const Piece& a, const Piece& b) { return a.layer_first < b.layer_first; });
  }
  PiecesMessage pieces(const GrantMessage& grant) const {
    return {grant.request, grant.epoch, pieces_};
  }
  ManifestMessage manifest(const GrantMessage& grant) const {
    ManifestMessage message;
    message.request = grant.request;
    message.epoch = grant.epoch;
    message.prompt_tokens = kTokens;
    message.tokens_max = 3;
    message.first_token = 5;
    message.frames = pieces_.size();
    for (const Piece& piece : pieces_) {
      message.checksum = fold_checksum(message.checksum, piece.checksum);
    }
    return message;
  }
  void write(const GrantMessage& grant) {
    ASSERT_TRUE(prefill_->write(arena_, grant.offset_bytes, Bytes(staging_.data, plan_.bytes), 1)
                    .has_value());
    ASSERT_TRUE(prefill_->flush(kDecodeNode, 2).has_value());
  }
  void expect_answer(RequestId id) {
    for (std::int64_t index = 0; index < 3; ++index) {
      const auto token = TokenMessage::decode(router_.next(MessageType::kToken));
      ASSERT_TRUE(token.has_value());
      EXPECT_EQ(token->request, id);
      EXPECT_EQ(token->index, index);
    }
  }

  const TinyModel model_{tiny_spec()};
  const KvShape shape_ = kv_shape_of(model_.spec());
  const std::unique_ptr<PipelineSet> pipelines_ = source_pipelines(model_);
  const FramePlan plan_ = plan_frames(*pipelines_->standard(), kTokens, kTokens);
  std::vector<Piece> pieces_;
  ClusterConfig config_;
  Cluster cluster_;
  tests::PlayedPeer router_{kRouterNode};
  tests::PlayedPeer prefill_{kPrefillNode};
  tests::PlayedPeer stranger_{kStrangerNode};  // another prefill worker
  comm::RemoteRegion arena_;
  comm::Region staging_;
  std::thread thread_;
};

TEST_F(DecodeWorkerTest, AHandoffBecomesAnAnswerAndItsSlotTheNextGrant) {
  for (const RequestId id : {1, 2, 3}) {
    const GrantMessage grant = want(id);
    write(grant);
    prefill_.send(MessageType::kPieces, pieces(grant).encode());
    prefill_.send(MessageType::kManifest, manifest(grant).encode());
    expect_answer(id);
  }
}

TEST_F(DecodeWorkerTest, TheManifestMayComeFirst) {
  const GrantMessage grant = want(1);
  write(grant);
  prefill_.send(MessageType::kManifest, manifest(grant).encode());
  prefill_.send(MessageType::kPieces, pieces(grant).encode());
  expect_answer(1);
}

TEST_F(DecodeWorkerTest, CancelledAfterTheManifestItsSlotIsFree) {
  const GrantMessage grant = want(1);
  write(grant);
  prefill_.send(MessageType::kManifest, manifest(grant).encode());
  // Another thread's messages: the manifest must have been taken before the cancel is sent.
  prefill_.send(MessageType::kWant, WantMessage{9, kTokens, 0, plan_.bytes}.encode());
  EXPECT_EQ(FailedMessage::decode(prefill_.next(MessageType::kFailed))->request, 9U);
  EXPECT_EQ(FailedMessage::decode(router_.next(MessageType::kFailed))->request, 9U);
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  EXPECT_EQ(want(2).request, 2U);
  prefill_.send(MessageType::kPieces, pieces(grant).encode());  // late: of an older epoch
}

TEST_F(DecodeWorkerTest, CancelledBeforeTheManifestTheSlotWaitsForTheWritersLastWord) {
  const GrantMessage grant = want(1);
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  prefill_.send(MessageType::kWant, WantMessage{2, kTokens, 3, plan_.bytes}.encode());
  prefill_.send(MessageType::kFailed,
                FailedMessage{1, ErrorCode::kCancelled, "cancelled"}.encode());
  const auto second = GrantMessage::decode(prefill_.next(MessageType::kGrant));
  EXPECT_EQ(second->request, 2U);
  EXPECT_GT(second->epoch, grant.epoch);
}

TEST_F(DecodeWorkerTest, DamageAfterTheManifestFailsTheRequestAndFreesTheSlot) {
  const GrantMessage grant = want(1);
  write(grant);
  prefill_.send(MessageType::kManifest, manifest(grant).encode());
  PiecesMessage damaged = pieces(grant);
  damaged.pieces[1].checksum ^= 1;
  prefill_.send(MessageType::kPieces, damaged.encode());
  const auto failed = FailedMessage::decode(router_.next(MessageType::kFailed));
  EXPECT_EQ(failed->code, ErrorCode::kCorrupt);
  (void)prefill_.next(MessageType::kFailed);
  EXPECT_EQ(want(2).request, 2U);
}

TEST_F(DecodeWorkerTest, AFrameInAnotherPlaceThanItSaysFailsTheRequest) {
  const GrantMessage grant = want(1);
  write(grant);
  PiecesMessage swapped = pieces(grant);
  std::swap(swapped.pieces[0].layer_first, swapped.pieces[1].layer_first);
  prefill_.send(MessageType::kPieces, swapped.encode());
  const auto failed = FailedMessage::decode(router_.next(MessageType::kFailed));
  EXPECT_EQ(failed->code, ErrorCode::kCorrupt);
  EXPECT_NE(failed->message.find("not the one announced"), std::string::npos) << failed->message;
  (void)prefill_.next(MessageType::kFailed);
  prefill_.send(MessageType::kManifest, manifest(grant).encode());  // the writer's last word
  EXPECT_EQ(want(2).request, 2U);
}

TEST_F(DecodeWorkerTest, AManifestOfAnotherAnswerFailsTheRequest) {
  for (const int field : {0, 1}) {
    const auto id = static_cast<RequestId>(field + 1);
    const GrantMessage grant = want(id);
    ManifestMessage message = manifest(grant);
    if (field == 0) message.tokens_max = 4;
    if (field == 1) message.first_token = static_cast<TokenId>(model_.spec().vocab);
    prefill_.send(MessageType::kManifest, message.encode());
    const auto failed = FailedMessage::decode(router_.next(MessageType::kFailed));
    EXPECT_EQ(failed->request, id);
    EXPECT_EQ(failed->code, ErrorCode::kCorrupt);
    (void)prefill_.next(MessageType::kFailed);
  }
}

TEST_F(DecodeWorkerTest, ARequestThatWaitsIsNotTakenTwice) {
  const GrantMessage first = want(1);
  const auto ask = [&] {
    prefill_.send(MessageType::kWant, WantMessage{2, kTokens, 3, plan_.bytes}.encode());
  };
  ask();  // waits: the slot is taken
  ask();
  const auto refused = FailedMessage::decode(prefill_.next(MessageType::kFailed));
  EXPECT_EQ(refused->request, 2U);
  EXPECT_EQ(FailedMessage::decode(router_.next(MessageType::kFailed))->request, 2U);
  prefill_.send(MessageType::kFailed,
                FailedMessage{first.request, ErrorCode::kCancelled, "cancelled"}.encode());
  EXPECT_EQ(GrantMessage::decode(prefill_.next(MessageType::kGrant))->request, 2U);
}

TEST_F(DecodeWorkerTest, OnlyTheWriterOfARequestIsHeard) {
  const GrantMessage grant = want(1);
  write(grant);
  stranger_.send(MessageType::kFailed, FailedMessage{1, ErrorCode::kCancelled, "no"}.encode());
  PiecesMessage lies = pieces(grant);
  lies.pieces[0].checksum ^= 1;
  stranger_.send(MessageType::kPieces, lies.encode());
  ManifestMessage lie = manifest(grant);
  lie.prompt_tokens -= 1;
  stranger_.send(MessageType::kManifest, lie.encode());
  // Answered, so that all of these have been taken.
  stranger_.send(MessageType::kWant, WantMessage{9, kTokens, 0, plan_.bytes}.encode());
  EXPECT_EQ(FailedMessage::decode(stranger_.next(MessageType::kFailed))->request, 9U);
  EXPECT_EQ(FailedMessage::decode(router_.next(MessageType::kFailed))->request, 9U);
  prefill_.send(MessageType::kPieces, pieces(grant).encode());
  prefill_.send(MessageType::kManifest, manifest(grant).encode());
  expect_answer(1);
}

TEST_F(DecodeWorkerTest, MessagesOfAnOldEpochChangeNothing) {
  const GrantMessage grant = want(1);
  GrantMessage old = grant;
  old.epoch -= 1;
  write(grant);
  prefill_.send(MessageType::kPieces, pieces(old).encode());
  prefill_.send(MessageType::kManifest, manifest(old).encode());
  prefill_.send(MessageType::kPieces, pieces(grant).encode());
  prefill_.send(MessageType::kManifest, manifest(grant).encode());
  expect_answer(1);
}

}  // namespace
}  // namespace sluice::runtime
