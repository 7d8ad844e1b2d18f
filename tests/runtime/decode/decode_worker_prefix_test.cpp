// SPDX-License-Identifier: Apache-2.0
// Prompts of which the decode worker has the beginning: only the rest is sent, or computed.
#include <gmock/gmock.h>

#include "runtime/decode/decode_worker.hpp"
#include "tests/runtime/decode/decode_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kAnswer;
using testing::kTokens;

constexpr std::int64_t kBlock = 32;
constexpr std::int64_t kCached = 64;  // both whole blocks of 75 tokens

class DecodeWorkerPrefix : public testing::DecodeWorkerFixture {
 protected:
  void SetUp() override {
    options_.prefix_block_tokens = kBlock;
    options_.prefix_salt = [](const std::string& pipeline) -> std::optional<std::uint64_t> {
      if (pipeline == "selects") return std::nullopt;
      return 77;
    };
    start(0);
  }

  WantMessage want_of(RequestId id, const Frames& frames, std::int64_t cached) const {
    WantMessage message = want(id, frames);
    message.cached_tokens = cached;
    message.blocks = hashes_;
    return message;
  }
  // A handoff from its Want to its manifest.
  void serve(RequestId id, const Frames& frames, std::int64_t cached, const char* levels = "") {
    prefill_.send(MessageType::kWant, want_of(id, frames, cached).encode());
    turn();
    const GrantMessage slot = granted(prefill_, id);
    write(slot, frames);
    prefill_.send(MessageType::kPieces, pieces(slot, frames).encode());
    ManifestMessage message = manifest(slot, frames);
    message.timeline.levels = levels;
    prefill_.send(MessageType::kManifest, message.encode());
    turn();
  }
  void serve_and_expect_answer(RequestId id, const Frames& frames, std::int64_t cached,
                               const char* levels = "") {
    serve(id, frames, cached, levels);
    expect_answer(id);
    expect_all_taken(prefill_);
    expect_idle();
  }
  // What the router was told last; nothing else may have come.
  PrefixesMessage told() {
    router_.hear();
    return router_.prefixes.empty() ? PrefixesMessage() : router_.prefixes.back();
  }
  FailedMessage refusal_of(const WantMessage& message) {
    prefill_.send(MessageType::kWant, message.encode());
    turn();
    EXPECT_EQ(failure(prefill_).request, message.request);
    return failure(router_);
  }
  FailedMessage loss_of(const WantMessage& message) {
    const FailedMessage failed = refusal_of(message);
    EXPECT_THAT(told().evicted, ::testing::ElementsAreArray(hashes_));
    return failed;
  }
  void expect_rows(const DecodeJob& job) {
    for (std::int64_t layer = 0; layer < cache_.shape.layers; ++layer) {
      EXPECT_EQ(cache_.rows(*pool_, job.sequence.blocks, layer),
                cache_.rows(*cache_.pool, cache_.blocks, layer));
    }
  }

  // Of a prompt of 75 tokens, as far as anybody here knows.
  const std::vector<TokenId> prompt_ = std::vector<TokenId>(kTokens, 4);
  const std::vector<std::uint64_t> hashes_ = block_hashes(prompt_, kBlock, 77);
  const Frames rest_ = cache_.frames(kWhole, kCached);
};

TEST_F(DecodeWorkerPrefix, WhatCameOnceIsNotSentAgain) {
  serve(1, whole_, 0);
  expect_answer(1);
  EXPECT_THAT(told().stored, ::testing::UnorderedElementsAreArray(hashes_));
  expect_all_taken(prefill_);
  EXPECT_LT(rest_.memory.size(), whole_.memory.size() / 4);
  compute_->holds = true;
  serve(2, rest_, kCached);
  ASSERT_EQ(compute_->jobs.size(), 2U);
  EXPECT_EQ(compute_->jobs[1].sequence.tokens, kTokens);
  EXPECT_TRUE(compute_->jobs[1].sequence.dropped.empty());
  expect_rows(compute_->jobs[1]);
  const auto first = TokenMessage::decode(router_.next(MessageType::kToken)).value();
  EXPECT_EQ(first.timeline.decode_cached_tokens, kCached);
  compute_->finish(compute_->jobs[1]);
  turn();
  expect_idle();
}

// An answer's rows go to blocks that are its own, so that two of one prompt do not meet.
TEST_F(DecodeWorkerPrefix, BlocksAreSharedUpToThatInWhichThePromptEnds) {
  compute_->holds = true;
  serve(1, whole_, 0);
  expect_all_taken(prefill_);
  serve(2, rest_, kCached);
  ASSERT_EQ(compute_->jobs.size(), 2U);
  const auto& first = compute_->jobs[0].sequence.blocks;
  const auto& second = compute_->jobs[1].sequence.blocks;
  ASSERT_EQ(first.size(), 3U);
  ASSERT_EQ(second.size(), 3U);
  EXPECT_EQ(first[0], second[0]);
  EXPECT_EQ(first[1], second[1]);
  EXPECT_NE(first[2], second[2]);
  // The first ends; what the second shares with it stays.
  compute_->finish(compute_->jobs[0]);
  turn();
  expect_rows(compute_->jobs[1]);
  compute_->finish(compute_->jobs[1]);
  turn();
  expect_idle();
}

TEST_F(DecodeWorkerPrefix, APartOfWhatIsThereCanBeUsed) {
  serve_and_expect_answer(1, whole_, 0);
  compute_->holds = true;
  serve(2, cache_.frames(kWhole, kBlock), kBlock);
  ASSERT_EQ(compute_->jobs.size(), 2U);
  expect_rows(compute_->jobs[1]);
}

TEST_F(DecodeWorkerPrefix, WhatWasLostMeanwhileIsSaidAtOnce) {
  const FailedMessage failed = loss_of(want_of(1, rest_, kCached));
  EXPECT_EQ(failed.code, ErrorCode::kUnavailable);
  EXPECT_THAT(failed.message, HasSubstr("no more than 0 of the prompt's first 64 tokens"));
  expect_idle();
}

TEST_F(DecodeWorkerPrefix, KeptBlocksMakeRoomAndTheRouterHearsOfIt) {
  serve_and_expect_answer(1, whole_, 0);
  EXPECT_THAT(told().stored, ::testing::SizeIs(2));
  WantMessage other = want(2, whole_);  // another prompt, of which nothing is kept
  other.tokens_max = 50;                // all four blocks
  prefill_.send(MessageType::kWant, other.encode());
  turn();
  (void)granted(prefill_, 2);
  const PrefixesMessage gone = told();
  EXPECT_THAT(gone.stored, IsEmpty());
  EXPECT_THAT(gone.evicted, ::testing::UnorderedElementsAreArray(hashes_));
  EXPECT_EQ(worker_->free_blocks(), 0);
}

TEST_F(DecodeWorkerPrefix, KvOfSeveralLevelsIsNotKept) {
  serve_and_expect_answer(1, whole_, 0, "best@8 30 layers, best@20 10");
  EXPECT_EQ(loss_of(want_of(2, rest_, kCached)).code, ErrorCode::kUnavailable);
}

TEST_F(DecodeWorkerPrefix, WithoutBlocksNothingIsKept) {
  hand_over(grant(1));
  expect_answer(1);
  expect_all_taken(prefill_);
  EXPECT_EQ(loss_of(want_of(2, rest_, kCached)).code, ErrorCode::kUnavailable);
}

TEST_F(DecodeWorkerPrefix, FramesOfWhatIsCachedAreRefused) {
  serve_and_expect_answer(1, whole_, 0);
  serve(2, whole_, kCached);
  EXPECT_EQ(failure(router_).code, ErrorCode::kCorrupt);
  // What is kept was not touched.
  (void)prefill_.next(MessageType::kFailed);
  compute_->holds = true;
  serve(3, rest_, kCached);
  ASSERT_EQ(compute_->jobs.size(), 2U);
  expect_rows(compute_->jobs[1]);
}

TEST_F(DecodeWorkerPrefix, WantsThatCannotBeAreRefused) {
  const auto refused = [this](RequestId id, auto change) {
    WantMessage message = want_of(id, rest_, kCached);
    change(message);
    EXPECT_EQ(refusal_of(message).code, ErrorCode::kInvalidArgument) << id;
    expect_idle();
  };
  refused(1, [](WantMessage& m) { m.cached_tokens = -kBlock; });
  refused(2, [](WantMessage& m) { m.cached_tokens = kTokens; });
  refused(3, [](WantMessage& m) { m.cached_tokens = 33; });
  refused(4, [](WantMessage& m) { m.cached_tokens = std::int64_t{1} << 40; });
  refused(5, [](WantMessage& m) { m.blocks.clear(); });
  refused(6, [](WantMessage& m) { m.blocks.push_back(1); });
  refused(7, [](WantMessage& m) { m.blocks.pop_back(); });  // cut into other blocks
}

TEST_F(DecodeWorkerPrefix, ACancelledHandoffLeavesWhatIsKept) {
  serve_and_expect_answer(1, whole_, 0);
  prefill_.send(MessageType::kWant, want_of(2, rest_, kCached).encode());
  turn();
  (void)granted(prefill_, 2);
  router_.send(MessageType::kCancel, CancelMessage{2}.encode());
  turn();
  (void)failure(prefill_);
  prefill_.send(MessageType::kFailed, FailedMessage{2, ErrorCode::kCancelled, "over"}.encode());
  turn();
  expect_idle();
  serve_and_expect_answer(3, rest_, kCached);
}

TEST_F(DecodeWorkerPrefix, APromptThatIsComputedHereBeginsWhereTheCommonPartEnds) {
  serve_and_expect_answer(1, whole_, 0);
  compute_->holds = true;
  SubmitMessage submit;
  submit.decode_node = testing::kDecodeNode;
  submit.tokens_max = kAnswer;
  const auto cached_of = [&](RequestId id, const char* pipeline, std::vector<TokenId> prompt) {
    submit.request = id;
    submit.pipeline = pipeline;
    submit.prompt = std::move(prompt);
    router_.send(MessageType::kSubmit, submit.encode());
    turn();
    DecodeJob& job = compute_->jobs.back();
    EXPECT_EQ(job.request, id);
    const std::int64_t tokens = job.sequence.tokens;
    compute_->finish(job);
    turn();
    const auto first = TokenMessage::decode(router_.next(MessageType::kToken)).value();
    EXPECT_EQ(first.timeline.decode_cached_tokens, tokens);
    for (int i = 1; i < kAnswer; ++i) (void)router_.next(MessageType::kToken);
    expect_idle();
    return tokens;
  };
  EXPECT_EQ(cached_of(2, "", prompt_), kCached);
  EXPECT_EQ(cached_of(3, "selects", prompt_), 0);
  EXPECT_EQ(cached_of(4, "", std::vector<TokenId>(kTokens, 5)), 0);
  // Its last token is computed, though all of it is there.
  EXPECT_EQ(cached_of(5, "", std::vector<TokenId>(kCached, 4)), kBlock);
}

}  // namespace
}  // namespace sluice::runtime
