// SPDX-License-Identifier: Apache-2.0
// With an engine that is played: its layers become ready piece by piece, as the real one's.
#include "runtime/frames/framed_prefill.hpp"

#include <condition_variable>

#include "tests/runtime/frames/frame_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::FrameFixture;
using testing::kTokens;

class PlayedEngine : public PrefillEngine {
 public:
  PlayedEngine() {
    spec_.layers = 4;
    spec_.heads = 2;
    spec_.kv_heads = 2;
    spec_.head_dim = 8;
  }
  Status prefill(KvPool&, KvSequence& sequence, std::span<const TokenId> tokens,
                 const PrefillHooks& hooks, std::span<float> logits) override {
    if (fails) return make_error(ErrorCode::kInternal, "the engine is wet");
    chunks.push_back(static_cast<std::int64_t>(tokens.size()));
    if (!logits.empty()) ++logits_asked;
    sequence.tokens += chunks.back();
    for (std::int64_t layer = 0; layer < 4; ++layer) {
      hooks.layer_ready(layer, sequence.tokens - chunks.back(), sequence.tokens);
    }
    return {};
  }
  Result<std::span<const float>> output_gram(std::int64_t) override {
    return make_error(ErrorCode::kUnsupported, "not played");
  }
  const ModelSpec& spec() const override { return spec_; }
  ComputeType compute() const override { return ComputeType::kF32; }
  std::size_t weight_bytes() const override { return 0; }

  std::vector<std::int64_t> chunks;
  int logits_asked = 0;
  bool fails = false;

 private:
  ModelSpec spec_;
};

struct Played {
  FrameFixture fixture;
  PlayedEngine engine;
  CodecPool threads{1};
  KvSequence sequence{fixture.blocks, 0};
  std::vector<TokenId> prompt = std::vector<TokenId>(kTokens, 1);
  std::vector<float> logits = std::vector<float>(8);
  std::condition_variable made_one;  // of the frames
  FramedPrefill prefill;

  explicit Played(std::vector<kernels::StageSpec> stages = {{"rtn", {{"bits", 4.0}}}},
                  std::int64_t question_tokens = 0)
      : fixture(std::move(stages)),
        prefill(engine, *fixture.pool, sequence, threads,
                {.tokens = prompt,
                 .question_tokens = question_tokens,
                 .chunk_tokens = 32,
                 .pipeline = fixture.pipeline,
                 .plan = fixture.plan,
                 .memory = fixture.memory}) {}

  Status compute(const std::function<bool()>& is_cancelled) {
    return prefill.compute(logits, is_cancelled, [this](const MadeFrame& made) {
      const std::lock_guard lock(fixture.mutex);
      fixture.frames.push_back(made);
      made_one.notify_all();
    });
  }
};

TEST(FramedPrefill, ChunksGoThroughTheEngineAndEveryFrameIsMade) {
  Played played;
  ASSERT_TRUE(played.compute([] { return false; }).has_value());
  ASSERT_TRUE(played.prefill.finish().has_value());
  EXPECT_EQ(played.engine.chunks, (std::vector<std::int64_t>{32, 32, 6}));
  EXPECT_EQ(played.engine.logits_asked, 1);
  EXPECT_EQ(played.fixture.frames.size(), 12U);
  RequestTimeline timeline;
  played.prefill.report(timeline);
  EXPECT_EQ(timeline.pipeline, "p");
  EXPECT_EQ(timeline.prompt_tokens, kTokens);
  EXPECT_EQ(timeline.kept_share, 1.0);
  std::size_t bytes = 0;
  for (const MadeFrame& made : played.fixture.frames) bytes += made.bytes;
  EXPECT_EQ(timeline.kv_bytes_wire, bytes);
}

TEST(FramedPrefill, ComputesFromWhereTheCacheEndsAndMakesTheFramesBeforeThat) {
  Played played;
  EXPECT_EQ(played.prefill.reusable_tokens(), kTokens - 2);
  played.sequence.tokens = 40;
  // Asked before the first chunk: the first part's four frames need none.
  const auto wait_for_four = [&] {
    std::unique_lock lock(played.fixture.mutex);
    played.made_one.wait(lock, [&] { return played.fixture.frames.size() >= 4; });
    return false;
  };
  ASSERT_TRUE(played.compute(wait_for_four).has_value());
  ASSERT_TRUE(played.prefill.finish().has_value());
  EXPECT_EQ(played.engine.chunks, (std::vector<std::int64_t>{24, 6}));
  EXPECT_EQ(played.fixture.frames.size(), 12U);
  RequestTimeline timeline;
  played.prefill.report(timeline);
  EXPECT_EQ(timeline.prompt_tokens, kTokens);
  EXPECT_EQ(timeline.prefill_cached_tokens, 40);
}

TEST(FramedPrefill, ReuseEndsWhereScoresBegin) {
  EXPECT_EQ(Played({{"q2c", {{"budget", 0.5}}}}, 20).prefill.reusable_tokens(), kTokens - 20);
  EXPECT_EQ(Played({{"tova", {{"budget", 0.5}}}}).prefill.reusable_tokens(), kTokens - 2);
  EXPECT_EQ(Played({{"h2o", {{"budget", 0.5}}}}).prefill.reusable_tokens(), 0);
  EXPECT_EQ(Played({{"squeeze", {}}, {"snapkv", {{"budget", 0.5}}}}).prefill.reusable_tokens(), 0);
}

TEST(FramedPrefill, EndsBeforeTheNextChunkWhenCancelled) {
  Played played;
  const Status computed = played.compute([&] { return played.engine.chunks.size() == 1; });
  ASSERT_FALSE(computed.has_value());
  EXPECT_EQ(computed.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(played.engine.chunks.size(), 1U);
}

TEST(FramedPrefill, TheEnginesErrorPassesThrough) {
  Played played;
  played.engine.fails = true;
  EXPECT_EQ(played.compute([] { return false; }).error().message, "the engine is wet");
}

}  // namespace
}  // namespace sluice::runtime
