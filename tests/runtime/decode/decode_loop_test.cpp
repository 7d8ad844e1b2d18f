// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_loop.hpp"

#include <gtest/gtest.h>

#include <algorithm>
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

// What the engine answers to a prompt that it takes token by token.
std::vector<TokenId> greedy(const ModelFile& model, const std::vector<TokenId>& prompt,
                            std::int64_t tokens_max) {
  auto pool = KvPool::create(kv_shape_of(model.spec()), 4).value();
  const auto engine = DecodeEngine::create(model, engine_options("cpu", "auto", 1).value()).value();
  KvSequence sequence{pool->acquire(4).value(), 0};
  KvSequence* const sequences[] = {&sequence};
  std::vector<float> logits(static_cast<std::size_t>(model.spec().vocab));
  std::vector<TokenId> tokens = prompt;
  for (std::size_t i = 0; tokens.size() < prompt.size() + static_cast<std::size_t>(tokens_max);
       ++i) {
    EXPECT_TRUE(engine->decode(*pool, sequences, std::span(tokens).subspan(i, 1), logits));
    if (i + 1 < prompt.size()) continue;
    tokens.push_back(
        static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return {tokens.begin() + static_cast<std::ptrdiff_t>(prompt.size()), tokens.end()};
}

struct Loop {
  explicit Loop(const TinyModel& of) : model(of) {
    EXPECT_TRUE(std::get<DecodeEvent::Loaded>(events.pop()->what).ready);
  }
  static DecodeConfig config() {
    DecodeConfig config;
    config.threads = 1;
    config.sequences_max = 3;
    return config;
  }
  DecodeJob job(RequestId id, std::vector<TokenId> prompt, std::int64_t tokens_max) {
    DecodeJob made;
    made.request = id;
    made.sequence = {pool->acquire(kv_blocks_for(64 + tokens_max)).value(), 0};
    made.tokens_max = tokens_max;
    made.prompt = std::move(prompt);
    made.arrived_us = 1;
    return made;
  }
  // Until so many have ended: the tokens of each.
  std::map<RequestId, std::vector<TokenId>> run(int jobs) {
    std::map<RequestId, std::vector<TokenId>> tokens;
    while (jobs > 0) {
      DecodeEvent event = *events.pop();
      const auto& token = std::get<DecodeEvent::Token>(event.what);
      tokens[event.request].push_back(token.token);
      if (token.index == 0) {
        EXPECT_GT(token.prefill_us, 0);
        EXPECT_GT(token.queue_us, 0);
      }
      if (token.finish == FinishReason::kNone) continue;
      pool->release(event.blocks);
      --jobs;
    }
    return tokens;
  }

  const TinyModel& model;
  std::unique_ptr<KvPool> pool = KvPool::create(kv_shape_of(model.spec()), 64).value();
  Mailbox<DecodeEvent> events;
  DecodeLoop loop{
      model, config(), *pool, {}, [this](DecodeEvent event) { events.push(std::move(event)); }};
};

std::vector<TokenId> prompt_of(int tokens, int seed) {
  std::vector<TokenId> prompt;
  for (int i = 0; i < tokens; ++i) prompt.push_back((i * 7 + seed) % 50);
  return prompt;
}

// In several parts, or in one that is not whole; beside answers that are being made.
TEST(DecodeLoop, APromptComputedHereIsAnsweredAsTheEngineDoes) {
  const TinyModel model(tiny_spec());
  Loop loop(model);
  DecodeJob beside = loop.job(9, {}, 40);
  beside.first_token = 3;
  loop.loop.submit(std::move(beside));
  for (const int tokens : {1, 16, 45}) {
    loop.loop.submit(loop.job(static_cast<RequestId>(tokens), prompt_of(tokens, tokens), 6));
  }
  auto answers = loop.run(4);
  for (const int tokens : {1, 16, 45}) {
    EXPECT_EQ(answers[static_cast<RequestId>(tokens)], greedy(model, prompt_of(tokens, tokens), 6))
        << tokens;
  }
  EXPECT_EQ(answers[9].size(), 39U);  // the first token came with it
  const auto whole = greedy(model, {3}, 39);
  EXPECT_EQ(answers[9], whole);
  EXPECT_EQ(loop.pool->free_blocks(), 64);
}

// Of two prompts with a common beginning the second is computed from where they part.
TEST(DecodeLoop, WhatIsInThePoolIsNotComputedAgain) {
  const TinyModel model(tiny_spec());
  Loop loop(model);
  const auto prompt = prompt_of(45, 2);
  DecodeJob first = loop.job(1, prompt, 6);
  const KvBlockId shared[] = {first.sequence.blocks.front()};
  loop.pool->share(shared);
  loop.loop.submit(std::move(first));
  EXPECT_EQ(loop.run(1)[1], greedy(model, prompt, 6));
  auto other = prompt;
  other.resize(32);
  for (const TokenId token : {4, 1, 4}) other.push_back(token);
  DecodeJob second = loop.job(2, other, 6);
  loop.pool->release(std::span(second.sequence.blocks).first(1));
  second.sequence.blocks.front() = shared[0];
  second.sequence.tokens = kKvBlockTokens;
  loop.loop.submit(std::move(second));
  EXPECT_EQ(loop.run(1)[2], greedy(model, other, 6));
  EXPECT_EQ(loop.pool->free_blocks(), 64);
}

TEST(DecodeLoop, ABadPromptFailsAlone) {
  const TinyModel model(tiny_spec());
  Loop loop(model);
  DecodeJob beside = loop.job(1, {}, 8);
  beside.first_token = 3;
  loop.loop.submit(std::move(beside));
  loop.loop.submit(loop.job(2, {5, 1 << 20}, 8));
  std::size_t tokens = 0;
  for (bool has_failed = false; !has_failed || tokens < 7;) {
    const DecodeEvent event = *loop.events.pop();
    if (std::holds_alternative<DecodeEvent::Failed>(event.what)) {
      EXPECT_EQ(event.request, 2U);
      EXPECT_FALSE(event.blocks.empty());
      has_failed = true;
    } else {
      EXPECT_EQ(event.request, 1U);
      ++tokens;
    }
  }
}

TEST(DecodeLoop, AnAnswerMayBeOneTokenLong) {
  const TinyModel model(tiny_spec());
  Loop loop(model);
  loop.loop.submit(loop.job(1, prompt_of(20, 3), 1));
  EXPECT_EQ(loop.run(1)[1], greedy(model, prompt_of(20, 3), 1));
  EXPECT_EQ(loop.pool->free_blocks(), 64);
}

}  // namespace
}  // namespace sluice::runtime
