// SPDX-License-Identifier: Apache-2.0
// A prefill worker between a router and a decode worker that are played by the test.
#include "runtime/prefill/prefill_worker.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "runtime/engine/engine_options.hpp"
#include "tests/support/played_peer.hpp"
#include "tests/support/source_pipelines.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

constexpr comm::NodeId kRouterNode = 0;
constexpr comm::NodeId kPrefillNode = 1;
constexpr comm::NodeId kDecodeNode = 2;
constexpr comm::NodeId kStrangerNode = 3;
constexpr std::int64_t kTokens = 40;

class PrefillWorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    arena_ = decode_->allocate(plan_.bytes, comm::MemoryKind::kHost).value();
    cluster_.self = kPrefillNode;
    cluster_.router = kRouterNode;
    cluster_.transport = comm::open_transport("loopback", {.self = kPrefillNode}).value();
    // Room for one request: staging memory that is not given back shows at once.
    cluster_.memory = cluster_.transport->allocate(plan_.bytes, comm::MemoryKind::kHost).value();
    router_.meet(cluster_);
    decode_.meet(cluster_);
    stranger_.meet(cluster_);
    cluster_.arenas[kDecodeNode] =
        cluster_.transport->import_region(kDecodeNode, decode_->export_region(arena_).value())
            .value();
    config_.prefill.compute = "f32";
    config_.prefill.threads = 1;
    config_.prefill.chunk_tokens = 16;
    config_.prefill.kv_memory_bytes = 1 << 20;
    thread_ = std::thread([this] {
      PrefillWorker worker(cluster_, config_, model_, *pipelines_);
      EXPECT_TRUE(worker.run().has_value());
    });
    while (!LoadingMessage::decode(router_.next(MessageType::kLoading))->ready) {
    }
  }
  void TearDown() override {
    router_.send(MessageType::kShutdown, {});
    (void)router_.next(MessageType::kGoodbye);
    thread_.join();
  }

  void submit(RequestId id, std::int64_t tokens = kTokens, const std::string& pipeline = {}) {
    SubmitMessage message;
    message.request = id;
    message.decode_node = kDecodeNode;
    message.tokens_max = 3;
    message.pipeline = pipeline;
    for (std::int64_t i = 0; i < tokens; ++i) message.prompt.push_back(static_cast<TokenId>(i));
    router_.send(MessageType::kSubmit, message.encode());
  }
  void grant(RequestId id) {
    decode_.send(MessageType::kGrant, GrantMessage{id, 11, 0, plan_.bytes}.encode());
  }
  // Rows announced until the writer's last word, which is given back.
  comm::Completion last_word(std::int64_t& rows) {
    while (true) {
      comm::Completion message = decode_.next();
      if (static_cast<MessageType>(message.type) != MessageType::kPieces) return message;
      const PiecesMessage some = PiecesMessage::decode(message.payload).value();
      for (const Piece& piece : some.pieces) rows += piece.last_token - piece.first_token;
    }
  }

  const TinyModel model_{tiny_spec()};
  const KvShape shape_ = kv_shape_of(model_.spec());
  const std::unique_ptr<PipelineSet> pipelines_ = source_pipelines(model_);
  const FramePlan plan_ = plan_frames(*pipelines_->standard(), kTokens, 16);
  ClusterConfig config_;
  Cluster cluster_;
  tests::PlayedPeer router_{kRouterNode};
  tests::PlayedPeer decode_{kDecodeNode};
  tests::PlayedPeer stranger_{kStrangerNode};
  comm::Region arena_;
  std::thread thread_;
};

TEST_F(PrefillWorkerTest, AskedThenGrantedItWritesEverythingAndSaysSo) {
  for (const RequestId id : {1, 2}) {
    std::memset(arena_.data, 0, plan_.bytes);
    submit(id);
    const auto want = WantMessage::decode(decode_.next(MessageType::kWant));
    EXPECT_EQ(want->request, id);
    EXPECT_EQ(want->frame_bytes, plan_.bytes);
    grant(id);
    std::int64_t rows = 0;
    const auto word = last_word(rows);
    ASSERT_EQ(static_cast<MessageType>(word.type), MessageType::kManifest);
    EXPECT_EQ(ManifestMessage::decode(word.payload)->epoch, 11U);
    EXPECT_EQ(rows, kTokens * shape_.layers);
  }
}

TEST_F(PrefillWorkerTest, CancelledItsLastWordIsFailedAndTheMemoryIsFree) {
  submit(1);
  (void)decode_.next(MessageType::kWant);
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  std::int64_t rows = 0;
  EXPECT_EQ(static_cast<MessageType>(last_word(rows).type), MessageType::kFailed);
  grant(1);  // crossed with the failure: answered, so that the slot is free
  EXPECT_EQ(FailedMessage::decode(decode_.next(MessageType::kFailed))->request, 1U);
  submit(2);
  EXPECT_EQ(WantMessage::decode(decode_.next(MessageType::kWant))->request, 2U);
}

TEST_F(PrefillWorkerTest, ACancelMayOvertakeItsRequest) {
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  submit(1);
  submit(2);
  EXPECT_EQ(WantMessage::decode(decode_.next(MessageType::kWant))->request, 2U);
}

TEST_F(PrefillWorkerTest, WithoutStagingMemoryNobodyIsAskedForASlot) {
  submit(1);
  EXPECT_EQ(WantMessage::decode(decode_.next(MessageType::kWant))->request, 1U);
  submit(2);
  grant(1);
  std::int64_t rows = 0;
  EXPECT_EQ(static_cast<MessageType>(last_word(rows).type), MessageType::kManifest);
  EXPECT_EQ(WantMessage::decode(decode_.next(MessageType::kWant))->request, 2U);
}

TEST_F(PrefillWorkerTest, WhatCanNeverFitIsRefused) {
  submit(1, 2 * kTokens);
  const auto failed = FailedMessage::decode(router_.next(MessageType::kFailed));
  EXPECT_EQ(failed->code, ErrorCode::kInvalidArgument);
  EXPECT_NE(failed->message.find("prefill.send_memory"), std::string::npos);
}

TEST_F(PrefillWorkerTest, ARequestMayChooseItsPipelineByName) {
  submit(1, kTokens, "int4");
  const auto want = WantMessage::decode(decode_.next(MessageType::kWant));
  grant(1);
  std::int64_t rows = 0;
  const auto word = last_word(rows);
  ASSERT_EQ(static_cast<MessageType>(word.type), MessageType::kManifest);
  const auto manifest = ManifestMessage::decode(word.payload);
  EXPECT_EQ(manifest->timeline.pipeline, "int4");
  EXPECT_LT(manifest->timeline.kv_bytes_wire, want->frame_bytes);
  EXPECT_EQ(rows, kTokens * shape_.layers);
}

TEST_F(PrefillWorkerTest, AnUnknownPipelineIsRefusedByName) {
  for (const char* name : {"int5", "../raw"}) {
    submit(1, kTokens, name);
    const auto failed = FailedMessage::decode(router_.next(MessageType::kFailed));
    EXPECT_EQ(failed->code, ErrorCode::kNotFound);
    EXPECT_NE(failed->message.find(std::string("there is no pipeline \"") + name),
              std::string::npos)
        << failed->message;
  }
}

TEST_F(PrefillWorkerTest, OnlyTheDecodeWorkerOfARequestIsHeard) {
  submit(1);
  (void)decode_.next(MessageType::kWant);
  stranger_.send(MessageType::kGrant, GrantMessage{1, 12, 0, plan_.bytes}.encode());
  stranger_.send(MessageType::kFailed, FailedMessage{1, ErrorCode::kInternal, "no"}.encode());
  // Answered, so that both have been taken.
  stranger_.send(MessageType::kGrant, GrantMessage{9, 12, 0, plan_.bytes}.encode());
  EXPECT_EQ(FailedMessage::decode(stranger_.next(MessageType::kFailed))->request, 9U);
  grant(1);
  std::int64_t rows = 0;
  const auto word = last_word(rows);
  ASSERT_EQ(static_cast<MessageType>(word.type), MessageType::kManifest);
  EXPECT_EQ(ManifestMessage::decode(word.payload)->epoch, 11U);
}

TEST_F(PrefillWorkerTest, AGrantOfTheWrongSizeFailsTheRequest) {
  submit(1);
  (void)decode_.next(MessageType::kWant);
  decode_.send(MessageType::kGrant, GrantMessage{1, 11, 0, 8}.encode());
  EXPECT_EQ(FailedMessage::decode(router_.next(MessageType::kFailed))->code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::runtime
