// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/prefill_loop.hpp"

#include <gtest/gtest.h>

#include <future>

#include "runtime/engine/engine_options.hpp"
#include "runtime/frames/kept_rows.hpp"
#include "tests/support/source_pipelines.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

struct LoopFixture {
  TinyModel model{tiny_spec()};
  KvShape shape = kv_shape_of(model.spec());
  std::unique_ptr<PipelineSet> pipelines = source_pipelines(model);
  Mailbox<PrefillEvent> events;
  std::vector<std::byte> staging;
  std::function<void()> on_piece;  // on the thread that made it
  std::unique_ptr<PrefillLoop> loop;

  explicit LoopFixture(std::size_t kv_memory_bytes = 1 << 20) {
    PrefillConfig config;
    config.compute = "f32";
    config.threads = 1;
    config.chunk_tokens = 16;
    config.kv_memory_bytes = kv_memory_bytes;
    loop = std::make_unique<PrefillLoop>(
        model, PrefillLoopOptions{config, 2, shape, "here"}, [this](PrefillEvent event) {
          if (std::holds_alternative<PrefillEvent::PieceReady>(event.what) && on_piece) on_piece();
          events.push(std::move(event));
        });
    while (!std::get<PrefillEvent::Loaded>(events.pop()->what).ready) {
    }
  }
  PrefillJob job(RequestId id, std::int64_t tokens) {
    PrefillJob job;
    job.pipeline = pipelines->standard();
    job.plan = plan_frames(*job.pipeline, tokens, 16);
    staging.resize(job.plan.bytes);
    job.submit.request = id;
    job.submit.tokens_max = 3;
    for (std::int64_t i = 0; i < tokens; ++i) {
      job.submit.prompt.push_back(static_cast<TokenId>(i % 97));
    }
    job.staging = staging;
    return job;
  }
};

TEST(PrefillLoop, FramesCoverEveryTokenOfEveryLayerOnceAndAreWhatTheirPiecesSay) {
  LoopFixture fixture;
  constexpr std::int64_t kTokens = 41;
  fixture.loop->submit(fixture.job(4, kTokens));
  KeptRows kept(fixture.shape.layers, fixture.shape.kv_heads, kTokens);
  std::uint64_t bytes = 0;
  while (true) {
    PrefillEvent event = *fixture.events.pop();
    EXPECT_EQ(event.request, 4U);
    if (const auto* ready = std::get_if<PrefillEvent::PieceReady>(&event.what)) {
      const Piece& piece = ready->piece;
      const auto info =
          kernels::read_frame_info(Bytes(fixture.staging).subspan(piece.offset_bytes, piece.bytes));
      ASSERT_TRUE(info.has_value()) << info.error().message;
      EXPECT_EQ(info->checksum, piece.checksum);
      EXPECT_EQ(info->first_token, piece.first_token);
      EXPECT_EQ(info->layer_first, piece.range.layer_first);
      EXPECT_EQ(piece.range.head_count, fixture.shape.kv_heads);
      EXPECT_GE(ready->room_bytes, piece.bytes);
      EXPECT_TRUE(kept.claim({.layer_first = piece.range.layer_first,
                              .layer_count = piece.range.layer_count,
                              .first_token = piece.first_token,
                              .last_token = piece.last_token,
                              .offset = piece.offset_bytes,
                              .bytes_max = piece.bytes,
                              .head_first = piece.range.head_first,
                              .head_count = piece.range.head_count})
                      .has_value());
      EXPECT_TRUE(kept.keep(*info).has_value());
      bytes += piece.bytes;
      continue;
    }
    const auto& manifest = std::get<PrefillEvent::Finished>(event.what).manifest;
    EXPECT_EQ(manifest.prompt_tokens, kTokens);
    EXPECT_EQ(manifest.tokens_max, 3);
    EXPECT_EQ(manifest.host, "here");
    EXPECT_EQ(manifest.timeline.pipeline, "raw");
    EXPECT_EQ(manifest.timeline.kv_bytes_raw, fixture.shape.bytes_per_token() * 41);
    EXPECT_EQ(manifest.timeline.kv_bytes_wire, bytes);
    EXPECT_EQ(manifest.timeline.kept_share, 1.0);
    break;
  }
  EXPECT_TRUE(kept.is_complete());
  EXPECT_TRUE(kept.dropped().empty());
}

TEST(PrefillLoop, ACancelledJobEndsAsCancelledAndTheNextOneRuns) {
  LoopFixture fixture;
  fixture.loop->cancel(1);
  fixture.loop->submit(fixture.job(1, 64));
  PrefillEvent event = *fixture.events.pop();
  EXPECT_EQ(std::get<PrefillEvent::Failed>(event.what).error.code, ErrorCode::kCancelled);
  fixture.loop->submit(fixture.job(2, 8));
  do {
    event = *fixture.events.pop();
  } while (!std::holds_alternative<PrefillEvent::Finished>(event.what));
  EXPECT_EQ(event.request, 2U);
}

TEST(PrefillLoop, ACancelIsHeardWhenThePromptIsComputedAndItsFramesAreMade) {
  LoopFixture fixture;
  fixture.on_piece = [&] { fixture.loop->cancel(1); };
  fixture.loop->submit(fixture.job(1, 16));  // one chunk
  PrefillEvent event{1, PrefillEvent::Loaded{}};
  do {
    event = *fixture.events.pop();
  } while (std::holds_alternative<PrefillEvent::PieceReady>(event.what));
  ASSERT_TRUE(std::holds_alternative<PrefillEvent::Failed>(event.what));
  EXPECT_EQ(std::get<PrefillEvent::Failed>(event.what).error.code, ErrorCode::kCancelled);
}

TEST(PrefillLoop, AJobThatHasNotBegunIsCancelledAtOnce) {
  LoopFixture fixture;
  std::promise<void> both;
  fixture.on_piece = [&, submitted = both.get_future().share()] {
    submitted.wait();
    fixture.loop->cancel(2);
  };
  fixture.loop->submit(fixture.job(1, 16));
  fixture.loop->submit(fixture.job(2, 16));
  both.set_value();
  PrefillEvent event = *fixture.events.pop();
  while (event.request == 1 && std::holds_alternative<PrefillEvent::PieceReady>(event.what)) {
    event = *fixture.events.pop();
  }
  EXPECT_EQ(event.request, 2U);  // before the end of the first
  ASSERT_TRUE(std::holds_alternative<PrefillEvent::Failed>(event.what));
  EXPECT_EQ(std::get<PrefillEvent::Failed>(event.what).error.code, ErrorCode::kCancelled);
  fixture.loop->submit(fixture.job(3, 16));
  do {
    event = *fixture.events.pop();
    EXPECT_NE(event.request, 2U);
  } while (event.request != 3 || !std::holds_alternative<PrefillEvent::Finished>(event.what));
}

TEST(PrefillLoop, APromptLargerThanItsMemoryFails) {
  LoopFixture fixture(128 * 64);  // 64 tokens
  fixture.loop->submit(fixture.job(1, 65));
  const PrefillEvent event = *fixture.events.pop();
  EXPECT_EQ(std::get<PrefillEvent::Failed>(event.what).error.code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace sluice::runtime
