// SPDX-License-Identifier: Apache-2.0
// The device-neutral decode engine, on the CPU.
#include "runtime/engine/decode_torch.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/drop_rows.hpp"
#include "tests/support/reference_forward.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

TEST(DecodeTorch, AgreesWithTheOracleTokenByToken) {
  const TinyModel model(tiny_spec());
  const std::vector<TokenId> first{3, 14, 15, 92, 65};
  const std::vector<TokenId> second{27, 18, 28, 1, 8};
  const ReferenceForward oracle(model);
  const auto expected = std::vector{oracle.logits(first), oracle.logits(second)};
  const auto engine =
      create_torch_decode_engine(model, {.compute = ComputeType::kF32, .threads = 1}).value();
  auto pool = KvPool::create({2, 2, 8, DType::kF32}, 2).value();
  KvSequence a{.blocks = pool->acquire(1).value(), .tokens = 0};
  KvSequence b{.blocks = pool->acquire(1).value(), .tokens = 0};
  KvSequence* const sequences[] = {&a, &b};
  const auto vocab = static_cast<std::size_t>(model.spec().vocab);
  std::vector<float> logits(2 * vocab);
  for (std::size_t at = 0; at < first.size(); ++at) {
    const TokenId tokens[] = {first[at], second[at]};
    engine->decode(*pool, sequences, tokens, logits).value();
    for (std::size_t sequence = 0; sequence < 2; ++sequence) {
      for (std::size_t i = 0; i < vocab; ++i) {
        ASSERT_NEAR(logits[sequence * vocab + i], expected[sequence][at][i], 1e-4);
      }
    }
  }
  EXPECT_EQ(a.tokens, 5);
}

// Layers and heads keep different numbers of rows; one head keeps none, one all.
bool is_dropped(std::int64_t layer, std::size_t head, std::size_t token) {
  if (layer == 0 && head == 0) return true;
  if (layer == 1 && head == 1) return false;
  return (token * 7 + head + static_cast<std::size_t>(layer) * 3) % 5 < 2;
}

TEST(DecodeTorch, AttendsToTheRowsOfEachHeadAlone) {
  const TinyModel model(tiny_spec());
  constexpr std::size_t kPrompt = 40;
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < kPrompt + 6; ++i) tokens.push_back(static_cast<TokenId>(i * 5 % 97));
  ReferenceForward oracle(model);
  oracle.drop(kPrompt, is_dropped);
  const auto expected = oracle.logits(tokens);
  const auto engine =
      create_torch_decode_engine(model, {.compute = ComputeType::kF32, .threads = 1}).value();
  auto pool = KvPool::create({2, 2, 8, DType::kF32}, 2).value();
  KvSequence sequence{.blocks = pool->acquire(2).value(), .tokens = 0};
  KvSequence* const sequences[] = {&sequence};
  std::vector<float> logits(static_cast<std::size_t>(model.spec().vocab));
  for (std::size_t at = 0; at < tokens.size(); ++at) {
    if (at == kPrompt) drop_rows(*pool, sequence, is_dropped);
    engine->decode(*pool, sequences, {&tokens[at], 1}, logits).value();
    for (std::size_t i = 0; i < logits.size(); ++i) {
      ASSERT_NEAR(logits[i], expected[at][i], 1e-4) << at << " " << i;
    }
  }
  EXPECT_EQ(sequence.rows(0), 6);
  EXPECT_EQ(sequence.rows_max(), 46);
  sequence.dropped.pop_back();
  EXPECT_EQ(engine->decode(*pool, sequences, {&tokens[0], 1}, logits).error().code,
            ErrorCode::kInvalidArgument);
}

TEST(DecodeTorch, AFailureTakesBackTheWholeStep) {
  const TinyModel model(tiny_spec());
  const auto engine =
      create_torch_decode_engine(model, {.compute = ComputeType::kF32, .threads = 1}).value();
  auto pool = KvPool::create({2, 2, 8, DType::kF32}, 2).value();
  KvSequence a{.blocks = pool->acquire(1).value(), .tokens = 0};
  KvSequence without_blocks;
  KvSequence* const sequences[] = {&a, &without_blocks};
  const TokenId tokens[] = {1, 2};
  std::vector<float> logits(2 * 97);
  EXPECT_EQ(engine->decode(*pool, sequences, tokens, logits).error().code,
            ErrorCode::kResourceExhausted);
  EXPECT_EQ(a.tokens, 0);
  EXPECT_EQ(engine->decode(*pool, sequences, std::span(tokens).first(1), logits).error().code,
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::runtime
