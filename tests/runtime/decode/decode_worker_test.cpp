// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_worker.hpp"

#include "tests/runtime/decode/decode_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::kAnswer;
using testing::kTokens;
using testing::kVocab;

class DecodeWorkerTest : public testing::DecodeWorkerFixture {};

TEST_F(DecodeWorkerTest, AHandoffBecomesAnAnswerAndItsSlotTheNextGrant) {
  for (const RequestId id : {1, 2, 3}) {
    hand_over(grant(id));
    expect_answer(id);
    expect_all_taken(prefill_);
    expect_idle();
  }
}

TEST_F(DecodeWorkerTest, TheRowsAreInThePagesWhenDecodingBegins) {
  compute_->holds = true;
  hand_over(grant(1));
  ASSERT_EQ(compute_->jobs.size(), 1U);
  const DecodeJob& job = compute_->jobs.front();
  EXPECT_EQ(job.first_token, 5);
  EXPECT_EQ(job.tokens_max, kAnswer);
  EXPECT_EQ(job.sequence.tokens, kTokens);
  EXPECT_TRUE(job.sequence.dropped.empty());
  for (std::int64_t layer = 0; layer < cache_.shape.layers; ++layer) {
    EXPECT_EQ(cache_.rows(*pool_, job.sequence.blocks, layer),
              cache_.rows(*cache_.pool, cache_.blocks, layer));
  }
}

TEST_F(DecodeWorkerTest, FramesAreTakenApartByThreadsToo) {
  start(2);
  const GrantMessage slot = grant(1);
  hand_over(slot);
  // The threads wake the worker.
  for (int i = 0; i < 500 && compute_->jobs.empty(); ++i) {
    cluster_.transport->wait(std::chrono::milliseconds(20));
    turn();
  }
  turn();
  expect_answer(1);
  expect_idle();
}

TEST_F(DecodeWorkerTest, TheManifestMayComeFirst) {
  const GrantMessage slot = grant(1);
  write(slot, whole_);
  prefill_.send(MessageType::kManifest, manifest(slot, whole_).encode());
  prefill_.send(MessageType::kPieces, pieces(slot, whole_).encode());
  turn();
  expect_answer(1);
}

TEST_F(DecodeWorkerTest, AnAnswerOfOneTokenIsNotDecoded) {
  const GrantMessage slot = grant(1);
  write(slot, whole_);
  prefill_.send(MessageType::kPieces, pieces(slot, whole_).encode());
  ManifestMessage message = manifest(slot, whole_);
  message.first_token = 90;  // the end
  prefill_.send(MessageType::kManifest, message.encode());
  turn();
  const auto token = TokenMessage::decode(router_.next(MessageType::kToken));
  EXPECT_EQ(token->finish, FinishReason::kStop);
  EXPECT_TRUE(compute_->jobs.empty());
  expect_idle();
}

TEST_F(DecodeWorkerTest, ADamagedFrameComesAgain) {
  const GrantMessage slot = grant(1);
  write(slot, whole_);
  const Piece& piece = whole_.pieces[4];
  cluster_.memory.data[slot.offset_bytes + piece.offset_bytes + piece.bytes / 2] ^= std::byte{1};
  prefill_.send(MessageType::kPieces, pieces(slot, whole_).encode());
  prefill_.send(MessageType::kManifest, manifest(slot, whole_).encode());
  turn();
  const auto again = AgainMessage::decode(prefill_.next(MessageType::kAgain));
  EXPECT_EQ(again->offset_bytes, piece.offset_bytes);
  write(slot, whole_);
  prefill_.send(MessageType::kPieces, PiecesMessage{1, slot.epoch, {piece}}.encode());
  turn();
  expect_answer(1);
  expect_idle();
}

TEST_F(DecodeWorkerTest, ATwiceDamagedFrameFailsTheRequest) {
  const GrantMessage slot = grant(1);
  write(slot, whole_);
  PiecesMessage lies = pieces(slot, whole_);
  lies.pieces[1].checksum ^= 1;
  for (int i = 0; i < 2; ++i) {
    prefill_.send(MessageType::kPieces, lies.encode());
    turn();
    if (i == 1) break;
    (void)prefill_.next(MessageType::kAgain);
    lies.pieces = {lies.pieces[1]};
  }
  const FailedMessage failed = failure(router_);
  EXPECT_EQ(failed.code, ErrorCode::kCorrupt);
  EXPECT_NE(failed.message.find("not the one announced"), std::string::npos) << failed.message;
  prefill_.send(MessageType::kManifest, manifest(slot, whole_).encode());  // the last word
  turn();
  expect_idle();
}

// Two ranks of the prefill side, each with a head of every layer.
TEST_F(DecodeWorkerTest, HeadsFromTwoWritersMakeOneCache) {
  compute_->holds = true;
  const Frames first = cache_.frames({0, 4, 0, 1});
  const Frames second = cache_.frames({0, 4, 1, 1});
  prefill_.send(MessageType::kWant, want(1, first, 2).encode());
  other_.send(MessageType::kWant, want(1, second, 2).encode());
  turn();
  for (const auto& [peer, frames] : {std::pair(&prefill_, &first), std::pair(&other_, &second)}) {
    const GrantMessage slot = granted(*peer, 1);
    send_through_ring(*peer, slot, *frames);
    EXPECT_TRUE(compute_->jobs.empty());
    peer->send(MessageType::kManifest, manifest(slot, *frames).encode());
    turn();
  }
  ASSERT_EQ(compute_->jobs.size(), 1U);
  for (std::int64_t layer = 0; layer < cache_.shape.layers; ++layer) {
    EXPECT_EQ(cache_.rows(*pool_, compute_->jobs[0].sequence.blocks, layer),
              cache_.rows(*cache_.pool, cache_.blocks, layer));
  }
  EXPECT_EQ(worker_->memory().taken_bytes, 0U);
}

TEST_F(DecodeWorkerTest, ManifestsOfOneRequestThatDisagreeFailIt) {
  const Frames first = cache_.frames({0, 4, 0, 1});
  const Frames second = cache_.frames({0, 4, 1, 1});
  prefill_.send(MessageType::kWant, want(1, first, 2).encode());
  other_.send(MessageType::kWant, want(1, second, 2).encode());
  turn();
  TokenId token = 5;
  for (const auto& [peer, frames] : {std::pair(&prefill_, &first), std::pair(&other_, &second)}) {
    const GrantMessage slot = granted(*peer, 1);
    send_through_ring(*peer, slot, *frames);
    ManifestMessage message = manifest(slot, *frames);
    message.first_token = token++;
    peer->send(MessageType::kManifest, message.encode());
    turn();
  }
  EXPECT_EQ(failure(router_).code, ErrorCode::kCorrupt);
  EXPECT_TRUE(compute_->jobs.empty());
  expect_idle();
}

TEST_F(DecodeWorkerTest, CancelledBeforeTheManifestTheSlotWaitsForTheWritersLastWord) {
  const GrantMessage slot = grant(1);
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  turn();
  EXPECT_EQ(failure(prefill_).code, ErrorCode::kCancelled);
  EXPECT_EQ(worker_->free_blocks(), 4);
  EXPECT_GT(worker_->memory().quarantined_bytes, 0U);
  prefill_.send(MessageType::kWant, want(2, whole_).encode());
  turn();
  EXPECT_EQ(worker_->memory().waiting, 1U);
  prefill_.send(MessageType::kFailed, FailedMessage{1, ErrorCode::kCancelled, "over"}.encode());
  turn();
  EXPECT_GT(granted(prefill_, 2).epoch, slot.epoch);
}

TEST_F(DecodeWorkerTest, CancelledWhileItIsDecodedItEndsSo) {
  compute_->holds = true;
  hand_over(grant(1));
  (void)router_.next(MessageType::kToken);
  router_.send(MessageType::kCancel, CancelMessage{1}.encode());
  turn();
  const auto token = TokenMessage::decode(router_.next(MessageType::kToken));
  EXPECT_EQ(token->finish, FinishReason::kCancelled);
  expect_idle();
}

TEST_F(DecodeWorkerTest, OnlyTheRouterCancels) {
  const GrantMessage slot = grant(1);
  other_.send(MessageType::kCancel, CancelMessage{1}.encode());
  turn();
  hand_over(slot);
  expect_answer(1);
}

TEST_F(DecodeWorkerTest, AManifestThatCannotBeFailsTheRequest) {
  const auto fails_with = [&](RequestId id, auto change) {
    const GrantMessage slot = grant(id);
    write(slot, whole_);
    ManifestMessage message = manifest(slot, whole_);
    change(message);
    prefill_.send(MessageType::kPieces, pieces(slot, whole_).encode());
    prefill_.send(MessageType::kManifest, message.encode());
    turn();
    const FailedMessage failed = failure(router_);
    EXPECT_EQ(failed.request, id);
    EXPECT_EQ(failed.code, ErrorCode::kCorrupt);
    (void)prefill_.next();  // taken, or failed
    expect_idle();
  };
  fails_with(1, [](ManifestMessage& m) { m.tokens_max += 1; });
  fails_with(2, [](ManifestMessage& m) { m.first_token = static_cast<TokenId>(kVocab); });
  fails_with(3, [](ManifestMessage& m) { m.first_token = -1; });
  fails_with(4, [](ManifestMessage& m) { m.checksum ^= 1; });
}

TEST_F(DecodeWorkerTest, WhatDoesNotFitIsRefused) {
  WantMessage message = want(1, whole_);
  message.prompt_tokens = 10'000;
  prefill_.send(MessageType::kWant, message.encode());
  turn();
  EXPECT_NE(failure(prefill_).message.find("decode.kv_memory"), std::string::npos);
  EXPECT_EQ(failure(router_).request, 1U);
  message = want(2, whole_);
  message.frame_bytes = 1 << 20;
  message.frame_bytes_largest = 1 << 20;
  prefill_.send(MessageType::kWant, message.encode());
  turn();
  EXPECT_NE(failure(prefill_).message.find("decode.arena_memory"), std::string::npos);
  EXPECT_EQ(failure(router_).request, 2U);
}

TEST_F(DecodeWorkerTest, ARequestWaitsForPages) {
  compute_->holds = true;
  hand_over(grant(1));
  expect_all_taken(prefill_);
  prefill_.send(MessageType::kWant, want(2, whole_).encode());
  turn();
  EXPECT_EQ(worker_->memory().waiting, 1U);
  compute_->finish(compute_->jobs[0]);
  turn();
  EXPECT_EQ(granted(prefill_, 2).request, 2U);
}

// Its request is not begun a second time under an answer that is being made.
TEST_F(DecodeWorkerTest, ARunningRequestIsNotHarmedByAnotherWantOfIt) {
  compute_->holds = true;
  hand_over(grant(1));
  (void)router_.next(MessageType::kToken);
  other_.send(MessageType::kWant, want(1, whole_).encode());
  turn();
  EXPECT_EQ(failure(other_).request, 1U);
  compute_->finish(compute_->jobs[0]);
  turn();
  EXPECT_EQ(TokenMessage::decode(router_.next(MessageType::kToken))->index, 1);
}

TEST_F(DecodeWorkerTest, AGoneWritersRequestsFailAndItsSlotsAreFree) {
  {
    tests::PlayedPeer mortal(7);
    mortal.meet(cluster_);
    mortal.send(MessageType::kWant, want(1, whole_).encode());
    turn();
    (void)granted(mortal, 1);
  }
  turn();
  const FailedMessage failed = failure(router_);
  EXPECT_EQ(failed.request, 1U);
  EXPECT_EQ(failed.code, ErrorCode::kUnavailable);
  expect_idle();
}

TEST_F(DecodeWorkerTest, EpochsStartAboveThoseOfTheProcessBefore) {
  EXPECT_EQ(grant(1).epoch, std::uint64_t{1} << 40);
  worker_.reset();
  cluster_.hellos.resize(3);
  cluster_.hellos[testing::kDecodeNode].incarnation = 4;
  DecodeWorkerOptions options;
  options.vocab = kVocab;
  options.codec_threads = 0;
  DecodeWorker next(cluster_, options, decoder_, KvPool::create(cache_.shape, 4).value(),
                    [](KvPool&, std::function<void(DecodeEvent)> emit) {
                      return std::make_unique<testing::CountingCompute>(std::move(emit));
                    });
  prefill_.send(MessageType::kWant, want(2, whole_).encode());
  for (int i = 0; i < 4; ++i) next.turn();
  EXPECT_EQ(granted(prefill_, 2).epoch, std::uint64_t{4} << 40);
}

}  // namespace
}  // namespace sluice::runtime
