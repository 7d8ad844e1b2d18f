// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/prefill_loop.hpp"

#include <gtest/gtest.h>

#include "runtime/engine/engine_options.hpp"
#include "runtime/transfer/checksum.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

struct LoopFixture {
  TinyModel model{tiny_spec()};
  KvShape shape = kv_shape_of(model.spec());
  Mailbox<PrefillEvent> events;
  std::vector<std::byte> staging;
  std::unique_ptr<PrefillLoop> loop;

  explicit LoopFixture(std::size_t kv_memory_bytes = 1 << 20) {
    PrefillConfig config;
    config.compute = "f32";
    config.threads = 1;
    config.chunk_tokens = 16;
    config.kv_memory_bytes = kv_memory_bytes;
    loop = std::make_unique<PrefillLoop>(
        model, PrefillLoopOptions{config, shape, "here"},
        [this](PrefillEvent event) { events.push(std::move(event)); });
    while (!std::get<PrefillEvent::Loaded>(events.pop()->what).ready) {
    }
  }
  PrefillJob job(RequestId id, std::int64_t tokens) {
    staging.resize(FrameLayout::of(shape, tokens).bytes());
    PrefillJob job;
    job.submit.request = id;
    job.submit.tokens_max = 3;
    for (std::int64_t i = 0; i < tokens; ++i) {
      job.submit.prompt.push_back(static_cast<TokenId>(i % 97));
    }
    job.staging = staging;
    return job;
  }
};

TEST(PrefillLoop, PiecesCoverEveryRowOnceAndMatchTheirBytes) {
  LoopFixture fixture;
  constexpr std::int64_t kTokens = 41;
  fixture.loop->submit(fixture.job(4, kTokens));
  const FrameLayout layout = FrameLayout::of(fixture.shape, kTokens);
  std::vector<std::int64_t> reached(2, 0);
  while (true) {
    PrefillEvent event = *fixture.events.pop();
    EXPECT_EQ(event.request, 4U);
    if (const auto* ready = std::get_if<PrefillEvent::PieceReady>(&event.what)) {
      const Piece& piece = ready->piece;
      EXPECT_EQ(piece.first_token, reached[static_cast<std::size_t>(piece.layer)]);
      reached[static_cast<std::size_t>(piece.layer)] = piece.last_token;
      const Bytes rows(
          fixture.staging.data() + layout.offset_bytes(piece.layer, piece.first_token),
          static_cast<std::size_t>(piece.last_token - piece.first_token) * layout.row_bytes);
      EXPECT_EQ(checksum(rows), piece.checksum);
      continue;
    }
    const auto& manifest = std::get<PrefillEvent::Finished>(event.what).manifest;
    EXPECT_EQ(manifest.prompt_tokens, kTokens);
    EXPECT_EQ(manifest.tokens_max, 3);
    EXPECT_EQ(manifest.host, "here");
    EXPECT_EQ(manifest.timeline.kv_bytes_raw, layout.bytes());
    break;
  }
  EXPECT_EQ(reached, (std::vector<std::int64_t>{kTokens, kTokens}));
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

TEST(PrefillLoop, APromptLargerThanItsMemoryFails) {
  LoopFixture fixture(128 * 64);  // 64 tokens
  fixture.loop->submit(fixture.job(1, 65));
  const PrefillEvent event = *fixture.events.pop();
  EXPECT_EQ(std::get<PrefillEvent::Failed>(event.what).error.code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace sluice::runtime
