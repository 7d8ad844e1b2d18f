// SPDX-License-Identifier: Apache-2.0
// A decode worker between a router and a prefill worker that are played by the test.
#include "runtime/decode/decode_worker.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "runtime/engine/engine_options.hpp"
#include "runtime/transfer/checksum.hpp"
#include "tests/support/played_peer.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

constexpr comm::NodeId kRouterNode = 0;
constexpr comm::NodeId kPrefillNode = 1;
constexpr comm::NodeId kDecodeNode = 2;
constexpr std::int64_t kTokens = 20;

class DecodeWorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.self = kDecodeNode;
    cluster_.router = kRouterNode;
    cluster_.host = "here";
    cluster_.transport = comm::open_transport("loopback", {.self = kDecodeNode}).value();
    // Room for one request: a slot that is not given back shows at once.
    cluster_.memory =
        cluster_.transport->allocate(layout_.bytes(), comm::MemoryKind::kHost).value();
    router_.meet(cluster_);
    prefill_.meet(cluster_);
    arena_ =
        prefill_
            ->import_region(kDecodeNode, cluster_.transport->export_region(cluster_.memory).value())
            .value();
    staging_ = prefill_->allocate(layout_.bytes(), comm::MemoryKind::kHost).value();
    config_.decode.threads = 1;
    thread_ = std::thread([this] {
      DecodeWorker worker(cluster_, config_, model_, KvPool::create(shape_, 4).value(), {});
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
    prefill_.send(MessageType::kWant, WantMessage{id, kTokens, 3, layout_.bytes()}.encode());
    const auto grant = GrantMessage::decode(prefill_.next(MessageType::kGrant));
    EXPECT_TRUE(grant.has_value());
    EXPECT_EQ(grant->request, id);
    return *grant;
  }
  PiecesMessage pieces(const GrantMessage& grant) const {
    PiecesMessage message{grant.request, grant.epoch, {}};
    for (std::int32_t layer = 0; layer < shape_.layers; ++layer) {
      const Bytes rows(staging_.data + layout_.offset_bytes(layer, 0),
                       static_cast<std::size_t>(kTokens) * layout_.row_bytes);
      message.pieces.push_back({layer, 0, 0, kTokens, checksum(rows)});
    }
    return message;
  }
  ManifestMessage manifest(const GrantMessage& grant) const {
    ManifestMessage message;
    message.request = grant.request;
    message.epoch = grant.epoch;
    message.prompt_tokens = kTokens;
    message.tokens_max = 3;
    message.first_token = 5;
    for (const Piece& piece : pieces(grant).pieces) {
      message.layer_checksums.push_back(fold_checksum(0, piece.checksum));
    }
    return message;
  }
  void write(const GrantMessage& grant) {
    ASSERT_TRUE(
        prefill_->write(arena_, grant.offset_bytes, Bytes(staging_.data, layout_.bytes()), 1)
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
  const FrameLayout layout_ = FrameLayout::of(shape_, kTokens);
  ClusterConfig config_;
  Cluster cluster_;
  tests::PlayedPeer router_{kRouterNode};
  tests::PlayedPeer prefill_{kPrefillNode};
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
  prefill_.send(MessageType::kWant, WantMessage{9, kTokens, 0, layout_.bytes()}.encode());
  EXPECT_EQ(FailedMessage::decode(prefill_.next(MessageType::kFailed))->request, 9U);
  EXPECT_EQ(FailedMessage::decode(router_.next(MessageType::kFailed))->request, 9U);
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  EXPECT_EQ(want(2).request, 2U);
  prefill_.send(MessageType::kPieces, pieces(grant).encode());  // late: of an older epoch
}

TEST_F(DecodeWorkerTest, CancelledBeforeTheManifestTheSlotWaitsForTheWritersLastWord) {
  const GrantMessage grant = want(1);
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  prefill_.send(MessageType::kWant, WantMessage{2, kTokens, 3, layout_.bytes()}.encode());
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
