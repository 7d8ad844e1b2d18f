// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/prefill_loop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <map>
#include <random>
#include <string>

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

  explicit LoopFixture(std::size_t kv_memory_bytes = 1 << 20, std::int64_t prefix_tokens = 0) {
    PrefillConfig config;
    config.compute = "f32";
    config.threads = 1;
    config.chunk_tokens = 16;
    config.kv_memory_bytes = kv_memory_bytes;
    loop = std::make_unique<PrefillLoop>(
        model, PrefillLoopOptions{config, 2, shape, "here", prefix_tokens},
        [this](PrefillEvent event) {
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

// What came of one job, its events taken up to its end and the prefixes told after it.
struct Served {
  ManifestMessage manifest;
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::byte>> frames;  // layer, token
  PrefixesMessage prefixes;
};

struct ReuseFixture : LoopFixture {
  explicit ReuseFixture(std::int64_t prefix_tokens, std::size_t kv_memory_bytes = 1 << 20)
      : LoopFixture(kv_memory_bytes, prefix_tokens) {}

  std::shared_ptr<const kernels::Pipeline> pipeline(std::vector<kernels::StageSpec> stages) const {
    return kernels::Pipeline::create({.name = "p", .summary = "", .stages = std::move(stages)},
                                     cache_shape_of(model), nullptr)
        .value();
  }
  Served serve(const std::vector<TokenId>& prompt,
               std::shared_ptr<const kernels::Pipeline> with = nullptr, std::int64_t question = 0) {
    PrefillJob own = job(++requests, 0);
    if (with != nullptr) own.pipeline = std::move(with);
    own.plan = plan_frames(*own.pipeline, static_cast<std::int64_t>(prompt.size()), 16);
    staging.assign(own.plan.bytes, std::byte{0});
    own.staging = staging;
    own.submit.prompt = prompt;
    own.submit.question_tokens = question;
    loop->submit(std::move(own));
    Served served;
    while (true) {
      PrefillEvent event = *events.pop();
      if (auto* prefixes = std::get_if<PrefillEvent::Prefixes>(&event.what)) {
        served.prefixes = std::move(prefixes->message);
      } else if (const auto* ready = std::get_if<PrefillEvent::PieceReady>(&event.what)) {
        const Piece& piece = ready->piece;
        const Bytes bytes = Bytes(staging).subspan(piece.offset_bytes, piece.bytes);
        served.frames[{piece.range.layer_first, piece.first_token}] = {bytes.begin(), bytes.end()};
      } else {
        served.manifest = std::get<PrefillEvent::Finished>(event.what).manifest;
        return served;
      }
    }
  }

  RequestId requests = 0;
};

std::vector<TokenId> random_prompt(unsigned seed, std::size_t tokens) {
  std::mt19937 random(seed);
  std::vector<TokenId> prompt(tokens);
  for (TokenId& token : prompt) token = static_cast<TokenId>(random() % 97);
  return prompt;
}

// The first `common` tokens of `prompt`, then others.
std::vector<TokenId> beginning_like(const std::vector<TokenId>& prompt, std::size_t common,
                                    std::size_t tokens) {
  std::vector<TokenId> other = random_prompt(99, tokens);
  std::copy_n(prompt.begin(), common, other.begin());
  return other;
}

struct ReuseCase {
  const char* name;
  std::vector<kernels::StageSpec> stages;
  std::int64_t question_tokens;
  std::int64_t reused_tokens;  // of 80 that are there, in blocks of 32
};

const std::vector<ReuseCase> kReuseCases{
    {"raw", {}, 0, 64},
    {"rtn", {{"rtn", {{"bits", 4.0}}}}, 0, 64},
    // The question is looked at from its first token on.
    {"q2c", {{"q2c", {{"budget", 0.5}}}}, 20, 64},
    {"q2c_long", {{"q2c", {{"budget", 0.5}}}}, 60, 32},
    // Every token is looked at.
    {"h2o", {{"h2o", {{"budget", 0.5}}}}, 0, 0},
    {"squeeze", {{"squeeze", {}}, {"snapkv", {{"budget", 0.5}}}}, 0, 0},
};

class PrefillReuse : public ::testing::TestWithParam<ReuseCase> {};

TEST_P(PrefillReuse, FramesAndTheFirstTokenAreThoseOfAWholeComputationBitForBit) {
  const ReuseCase& c = GetParam();
  const auto earlier = random_prompt(1, 105);
  const auto prompt = beginning_like(earlier, 80, 100);
  ReuseFixture whole(0);
  const Served expected = whole.serve(prompt, whole.pipeline(c.stages), c.question_tokens);
  EXPECT_EQ(expected.manifest.timeline.prefill_cached_tokens, 0);
  ReuseFixture fixture(32);
  (void)fixture.serve(earlier);
  const Served served = fixture.serve(prompt, fixture.pipeline(c.stages), c.question_tokens);
  EXPECT_EQ(served.manifest.timeline.prefill_cached_tokens, c.reused_tokens);
  EXPECT_EQ(served.manifest.first_token, expected.manifest.first_token);
  EXPECT_FALSE(served.frames.empty());
  EXPECT_TRUE(served.frames == expected.frames);
}

INSTANTIATE_TEST_SUITE_P(Pipelines, PrefillReuse, ::testing::ValuesIn(kReuseCases),
                         [](const auto& row) { return std::string(row.param.name); });

// One row alone would be multiplied by other kernels than several are.
TEST(PrefillLoop, ThePromptsLastTwoTokensAreAlwaysComputed) {
  ReuseFixture fixture(32);
  for (const auto& [tokens, reused] : {std::pair{96, 64}, {97, 64}, {98, 96}}) {
    const auto prompt = random_prompt(2, static_cast<std::size_t>(tokens));
    const Served first = fixture.serve(prompt);
    EXPECT_EQ(first.manifest.timeline.prefill_cached_tokens, tokens == 96 ? 0 : reused);
    const Served again = fixture.serve(prompt);
    EXPECT_EQ(again.manifest.timeline.prefill_cached_tokens, reused);
    EXPECT_EQ(again.manifest.first_token, first.manifest.first_token);
    EXPECT_TRUE(again.frames == ReuseFixture(0).serve(prompt).frames) << tokens;
  }
}

TEST(PrefillLoop, WhatItsCacheHoldsIsToldBeforeTheEnd) {
  ReuseFixture fixture(32, 128 * 128);  // four blocks of 32 tokens
  const auto one = random_prompt(3, 100);
  auto hashes = block_hashes(one, 32, 0);
  EXPECT_THAT(fixture.serve(one).prefixes.stored, ::testing::UnorderedElementsAreArray(hashes));
  const auto two = random_prompt(4, 65);
  const auto told = fixture.serve(two).prefixes;
  EXPECT_THAT(told.stored, ::testing::UnorderedElementsAreArray(block_hashes(two, 32, 0)));
  EXPECT_THAT(told.evicted, ::testing::UnorderedElementsAre(hashes[1], hashes[2]));
  EXPECT_EQ(fixture.serve(one).manifest.timeline.prefill_cached_tokens, 32);
}

TEST(PrefillLoop, ACacheOfNoPossibleBlocksIsSaidWhileItLoads) {
  Mailbox<PrefillEvent> events;
  const TinyModel model{tiny_spec()};
  PrefillConfig config;
  config.threads = 1;
  config.kv_memory_bytes = 1 << 20;
  const PrefillLoop loop(model,
                         PrefillLoopOptions{config, 1, kv_shape_of(model.spec()), "here", 48},
                         [&](PrefillEvent event) { events.push(std::move(event)); });
  while (true) {
    const PrefillEvent event = *events.pop();
    const auto& loaded = std::get<PrefillEvent::Loaded>(event.what);
    ASSERT_FALSE(loaded.ready);
    if (loaded.error.empty()) continue;
    EXPECT_THAT(loaded.error, ::testing::HasSubstr("multiple of 32"));
    return;
  }
}

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
