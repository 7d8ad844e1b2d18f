// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_loop.hpp"

#include <gtest/gtest.h>

#include <map>

#include "runtime/engine/engine_options.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

// Runs `jobs` together and gives the tokens of each, after its first.
std::map<RequestId, std::vector<TokenId>> run(std::int64_t sequences_max, int jobs) {
  const TinyModel model(tiny_spec());
  auto pool = KvPool::create(kv_shape_of(model.spec()), 64).value();
  DecodeConfig config;
  config.threads = 1;
  config.sequences_max = sequences_max;
  Mailbox<DecodeEvent> events;
  DecodeLoop loop(model, config, *pool, {},
                  [&](DecodeEvent event) { events.push(std::move(event)); });
  EXPECT_TRUE(std::get<DecodeEvent::Loaded>(events.pop()->what).ready);
  for (int i = 0; i < jobs; ++i) {
    DecodeJob job;
    job.request = static_cast<RequestId>(i);
    job.sequence = {pool->acquire(2).value(), 0};
    job.first_token = i;
    job.tokens_max = 5 + i;
    job.sampling = {.temperature = 1.0, .top_p = 1.0, .top_k = 0, .seed = 1};
    loop.submit(std::move(job));
  }
  std::map<RequestId, std::vector<TokenId>> tokens;
  for (int ended = 0; ended < jobs;) {
    DecodeEvent event = *events.pop();
    const auto& token = std::get<DecodeEvent::Token>(event.what);
    tokens[event.request].push_back(token.token);
    EXPECT_EQ(token.index, static_cast<std::int64_t>(tokens[event.request].size()));
    if (token.finish == FinishReason::kNone) continue;
    EXPECT_EQ(event.blocks.size(), 2U);
    pool->release(event.blocks);
    ++ended;
  }
  EXPECT_EQ(pool->free_blocks(), 64);
  return tokens;
}

TEST(DecodeLoop, ASequenceDoesNotFeelItsNeighbours) {
  const auto alone = run(1, 6);
  const auto together = run(6, 6);
  EXPECT_EQ(alone, together);
  for (const auto& [request, tokens] : alone) EXPECT_EQ(tokens.size(), 4 + request);
}

TEST(DecodeLoop, CancelGivesTheBlocksBack) {
  const TinyModel model(tiny_spec());
  auto pool = KvPool::create(kv_shape_of(model.spec()), 16).value();
  DecodeConfig config;
  config.threads = 1;
  Mailbox<DecodeEvent> events;
  DecodeLoop loop(model, config, *pool, {},
                  [&](DecodeEvent event) { events.push(std::move(event)); });
  DecodeJob job;
  job.request = 3;
  job.sequence = {pool->acquire(16).value(), 0};
  job.tokens_max = 500;
  loop.submit(std::move(job));
  loop.cancel(3);
  loop.cancel(99);  // not there: nothing happens
  while (true) {
    const DecodeEvent event = *events.pop();
    const auto* token = std::get_if<DecodeEvent::Token>(&event.what);
    if (token == nullptr || token->finish != FinishReason::kCancelled) continue;
    EXPECT_EQ(event.blocks.size(), 16U);
    break;
  }
}

}  // namespace
}  // namespace sluice::runtime
