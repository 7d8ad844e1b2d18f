// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/decode_cpu.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "runtime/kv/kv_pool.hpp"
#include "tests/support/drop_rows.hpp"
#include "tests/support/reference_forward.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

std::vector<TokenId> random_tokens(std::size_t count, std::int64_t vocab, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(generator() % vocab);
  return tokens;
}

std::unique_ptr<KvPool> pool_for(const ModelSpec& spec, DType dtype, std::int64_t blocks) {
  return KvPool::create({spec.layers, spec.kv_heads, spec.head_dim, dtype}, blocks).value();
}

// Logits after each token, one token a step.
std::vector<std::vector<float>> run(const ModelFile& model, int threads, DType kv_dtype,
                                    const std::vector<TokenId>& tokens) {
  auto engine = create_decode_cpu(model, {.threads = threads}).value();
  const std::int64_t blocks = kv_blocks_for(static_cast<std::int64_t>(tokens.size()));
  auto pool = pool_for(model.spec(), kv_dtype, blocks);
  KvSequence sequence{pool->acquire(blocks).value(), 0};
  std::reverse(sequence.blocks.begin(), sequence.blocks.end());
  KvSequence* const sequences[] = {&sequence};
  std::vector<std::vector<float>> logits;
  for (const TokenId token : tokens) {
    logits.emplace_back(static_cast<std::size_t>(model.spec().vocab));
    engine->decode(*pool, sequences, {&token, 1}, logits.back()).value();
  }
  EXPECT_EQ(sequence.tokens, static_cast<std::int64_t>(tokens.size()));
  return logits;
}

void expect_near_reference(const ModelFile& model, DType kv_dtype, std::size_t count,
                           double tolerance) {
  const auto tokens = random_tokens(count, model.spec().vocab, 3);
  const auto expected = ReferenceForward(model, kv_dtype).logits(tokens);
  const auto logits = run(model, 2, kv_dtype, tokens);
  double largest = 0;
  for (std::size_t t = 0; t < count; ++t) {
    for (std::size_t i = 0; i < logits[t].size(); ++i) {
      ASSERT_NEAR(logits[t][i], expected[t][i], tolerance) << "position " << t << " logit " << i;
      largest = std::max(largest, std::abs(expected[t][i]));
    }
  }
  EXPECT_GT(largest, 1.0) << "the tolerance says nothing about logits this small";
}

TEST(DecodeCpu, AgreesWithTheReferenceForEveryWayOfSharingHeads) {
  for (const std::int64_t kv_heads : {1, 2, 6}) {
    SCOPED_TRACE(kv_heads);
    ModelSpec spec = tiny_spec();
    spec.kv_heads = kv_heads;
    expect_near_reference(TinyModel(spec), DType::kF32, 40, 2e-5);
  }
}

TEST(DecodeCpu, AgreesWithTheReferenceForBothRopeStylesAndPartialRotation) {
  for (const RopeStyle style : {RopeStyle::kInterleaved, RopeStyle::kHalves}) {
    for (const std::int64_t dims : {4, 8}) {
      ModelSpec spec = tiny_spec();
      spec.rope.style = style;
      spec.rope.dims = dims;
      expect_near_reference(TinyModel(spec), DType::kF32, 20, 2e-5);
    }
  }
}

TEST(DecodeCpu, AgreesWithTheReferenceWithBiasesAndTiedEmbeddings) {
  ModelSpec spec = tiny_spec();
  spec.attention_bias = true;
  spec.tied_embeddings = true;
  expect_near_reference(TinyModel(spec), DType::kF32, 20, 2e-5);
}

TEST(DecodeCpu, AgreesWithTheReferenceInBf16) {
  // A key that rounds the other way differs by 2^-8 of itself, hence the tolerance.
  expect_near_reference(TinyModel(tiny_spec(), 1, DType::kBF16), DType::kBF16, 20, 2e-2);
}

TEST(DecodeCpu, AgreesWithTheReferenceOverSeveralSplits) {
  ModelSpec spec = tiny_spec();
  spec.layers = 1;
  spec.vocab = 31;
  expect_near_reference(TinyModel(spec), DType::kF32, 150, 2e-5);
}

TEST(DecodeCpu, TheNumberOfThreadsChangesNoBit) {
  const TinyModel model(tiny_spec());
  const auto tokens = random_tokens(140, model.spec().vocab, 4);
  const auto one = run(model, 1, DType::kBF16, tokens);
  EXPECT_EQ(one, run(model, 2, DType::kBF16, tokens));
  EXPECT_EQ(one, run(model, 5, DType::kBF16, tokens));
}

TEST(DecodeCpu, ABatchGivesWhatItsSequencesGiveAlone) {
  const TinyModel model(tiny_spec());
  const auto vocab = static_cast<std::size_t>(model.spec().vocab);
  constexpr std::size_t kSequences = 18;  // more than the engine takes at once
  auto engine = create_decode_cpu(model, {.threads = 2}).value();
  auto pool = pool_for(model.spec(), DType::kBF16, 2 * kSequences);
  std::vector<KvSequence> sequences(kSequences);
  std::vector<std::vector<TokenId>> tokens;
  for (std::size_t m = 0; m < kSequences; ++m) {
    sequences[m].blocks = pool->acquire(2).value();
    tokens.push_back(random_tokens(30 + m, model.spec().vocab, static_cast<unsigned>(m)));
  }
  // Sequence m joins at step m, so that positions differ.
  std::vector<std::vector<std::vector<float>>> together(kSequences);
  for (std::size_t step = 0; step < 30 + 2 * kSequences; ++step) {
    std::vector<KvSequence*> active;
    std::vector<TokenId> inputs;
    std::vector<std::size_t> ids;
    for (std::size_t m = 0; m <= std::min(step, kSequences - 1); ++m) {
      if (step - m >= tokens[m].size()) continue;
      ids.push_back(m);
      active.push_back(&sequences[m]);
      inputs.push_back(tokens[m][step - m]);
    }
    std::vector<float> logits(active.size() * vocab);
    engine->decode(*pool, active, inputs, logits).value();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto first = logits.begin() + static_cast<std::ptrdiff_t>(i * vocab);
      together[ids[i]].emplace_back(first, first + static_cast<std::ptrdiff_t>(vocab));
    }
  }
  for (std::size_t m = 0; m < kSequences; ++m) {
    EXPECT_EQ(together[m], run(model, 1, DType::kBF16, tokens[m])) << "sequence " << m;
  }
}

// Layers and heads keep different numbers of rows; one head keeps none, one all.
bool is_dropped(std::int64_t layer, std::size_t head, std::size_t token) {
  if (layer == 0 && head == 0) return true;
  if (layer == 1 && head == 1) return false;
  return (token * 7 + head + static_cast<std::size_t>(layer) * 3) % 5 < 2;
}

TEST(DecodeCpu, AttendsToTheRowsOfEachHeadAlone) {
  ModelSpec spec = tiny_spec();
  spec.vocab = 31;
  const TinyModel model(spec);
  constexpr std::size_t kPrompt = 300;  // several splits, and fewer of them in some heads
  const auto tokens = random_tokens(kPrompt + 40, spec.vocab, 9);
  ReferenceForward reference(model, DType::kF32);
  reference.drop(kPrompt, is_dropped);
  const auto expected = reference.logits(tokens);

  const std::int64_t blocks = kv_blocks_for(kPrompt + 40);
  auto pool = pool_for(spec, DType::kF32, 2 * blocks);
  std::vector<std::vector<float>> alone;
  for (const int threads : {1, 3}) {
    SCOPED_TRACE(threads);
    auto engine = create_decode_cpu(model, {.threads = threads}).value();
    KvSequence ragged{pool->acquire(blocks).value(), 0};
    KvSequence whole{pool->acquire(blocks).value(), 0};
    const auto step = [&](std::size_t t, std::vector<KvSequence*> sequences) {
      std::vector<float> logits(sequences.size() * static_cast<std::size_t>(spec.vocab));
      const std::vector<TokenId> inputs(sequences.size(), tokens[t]);
      engine->decode(*pool, sequences, inputs, logits).value();
      return logits;
    };
    for (std::size_t t = 0; t < kPrompt; ++t) step(t, {&ragged, &whole});
    drop_rows(*pool, ragged, is_dropped);
    for (std::size_t t = kPrompt; t < tokens.size(); ++t) {
      const auto logits = step(t, {&whole, &ragged});  // a whole cache beside a ragged one
      const auto ours = logits.begin() + spec.vocab;
      for (std::size_t i = 0; i < static_cast<std::size_t>(spec.vocab); ++i) {
        ASSERT_NEAR(ours[static_cast<std::ptrdiff_t>(i)], expected[t][i], 2e-5) << t << " " << i;
      }
      if (threads == 1) {
        alone.emplace_back(logits);
      } else {
        EXPECT_EQ(logits, alone[t - kPrompt]) << "the number of threads changed a bit";
      }
    }
    EXPECT_EQ(ragged.rows(0), 40);
    EXPECT_EQ(ragged.rows_max(), static_cast<std::int64_t>(tokens.size()));
    pool->release(ragged.blocks);
    pool->release(whole.blocks);
  }
}

// `count` tokens at once after `before` of them one by one, some rows of which are dropped.
std::vector<float> appended(DecodeEngine& engine, const std::vector<TokenId>& tokens,
                            std::size_t before, bool at_once) {
  const auto vocab = static_cast<std::size_t>(engine.spec().vocab);
  const std::int64_t blocks = kv_blocks_for(static_cast<std::int64_t>(tokens.size()));
  auto pool = pool_for(engine.spec(), DType::kBF16, blocks);
  KvSequence sequence{pool->acquire(blocks).value(), 0};
  std::vector<float> ignored(before * vocab);
  engine.DecodeEngine::append(*pool, sequence, std::span(tokens).first(before), ignored).value();
  drop_rows(*pool, sequence, is_dropped);
  const auto rest = std::span(tokens).subspan(before);
  std::vector<float> logits(rest.size() * vocab);
  if (at_once) {
    engine.append(*pool, sequence, rest, logits).value();
  } else {
    engine.DecodeEngine::append(*pool, sequence, rest, logits).value();
  }
  EXPECT_EQ(sequence.tokens, static_cast<std::int64_t>(tokens.size()));
  return logits;
}

TEST(DecodeCpu, AppendedTokensGiveTheBitsOfOneStepEach) {
  const TinyModel model(tiny_spec());
  auto engine = create_decode_cpu(model, {.threads = 2}).value();
  const auto tokens = random_tokens(140 + 37, model.spec().vocab, 6);  // three steps, two splits
  EXPECT_EQ(appended(*engine, tokens, 140, true), appended(*engine, tokens, 140, false));
}

TEST(DecodeCpu, AppendWantsLogitsOfEveryToken) {
  const TinyModel model(tiny_spec());
  auto engine = create_decode_cpu(model, {.threads = 1}).value();
  auto pool = pool_for(model.spec(), DType::kBF16, 1);
  KvSequence sequence{pool->acquire(1).value(), 0};
  const TokenId tokens[] = {1, 2};
  std::vector<float> logits(static_cast<std::size_t>(model.spec().vocab));
  EXPECT_FALSE(engine->append(*pool, sequence, tokens, logits));
  EXPECT_EQ(sequence.tokens, 0);
}

TEST(DecodeCpu, NoDroppedRowsChangeNoBit) {
  const TinyModel model(tiny_spec());
  const auto tokens = random_tokens(150, model.spec().vocab, 4);
  const auto expected = run(model, 2, DType::kBF16, tokens);
  auto engine = create_decode_cpu(model, {.threads = 2}).value();
  auto pool = pool_for(model.spec(), DType::kBF16, kv_blocks_for(150));
  KvSequence sequence{pool->acquire(kv_blocks_for(150)).value(), 0};
  sequence.dropped.assign(static_cast<std::size_t>(model.spec().layers * model.spec().kv_heads), 0);
  KvSequence* const sequences[] = {&sequence};
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    std::vector<float> logits(static_cast<std::size_t>(model.spec().vocab));
    engine->decode(*pool, sequences, {&tokens[t], 1}, logits).value();
    ASSERT_EQ(logits, expected[t]) << "position " << t;
  }
}

TEST(DecodeCpu, AgreesWithTheReferenceOnTheDefaultModel) {
  if (std::string(SLUICE_DEFAULT_MODEL).empty()) GTEST_SKIP() << "no default model was given";
  const auto model = ModelFile::open(SLUICE_DEFAULT_MODEL).value();
  const std::vector<TokenId> tokens{1, 4093};
  const auto expected = ReferenceForward(*model).logits(tokens);
  const auto logits = run(*model, 2, DType::kF32, tokens);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (std::size_t i = 0; i < logits[t].size(); ++i) {
      ASSERT_NEAR(logits[t][i], expected[t][i], 1e-3) << "position " << t << " logit " << i;
    }
  }
}

// What decode refuses, in words, leaving everything as it was.
class DecodeCpuRefuses : public testing::Test {
 protected:
  Error error_of(KvPool& pool, std::vector<KvSequence*> sequences, std::vector<TokenId> tokens) {
    std::vector<float> logits(sequences.size() * static_cast<std::size_t>(model_.spec().vocab));
    const Status status = engine_->decode(pool, sequences, tokens, logits);
    return status ? Error{} : status.error();
  }

  TinyModel model_{tiny_spec()};
  std::unique_ptr<DecodeEngine> engine_ = create_decode_cpu(model_, {.threads = 1}).value();
  std::unique_ptr<KvPool> pool_ = pool_for(model_.spec(), DType::kF32, 20);
  KvSequence sequence_{pool_->acquire(1).value(), 0};
};

TEST_F(DecodeCpuRefuses, ATokenOutsideTheVocabulary) {
  EXPECT_THAT(error_of(*pool_, {&sequence_}, {97}).message, testing::HasSubstr("token 97"));
  EXPECT_THAT(error_of(*pool_, {&sequence_}, {-1}).message, testing::HasSubstr("token -1"));
  EXPECT_EQ(sequence_.tokens, 0);
}

TEST_F(DecodeCpuRefuses, ASequenceWithoutRoom) {
  sequence_.tokens = kKvBlockTokens;
  const Error error = error_of(*pool_, {&sequence_}, {1});
  EXPECT_EQ(error.code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(error.message, testing::HasSubstr("has 1 KV blocks and needs 2"));
  EXPECT_EQ(sequence_.tokens, kKvBlockTokens);
}

TEST_F(DecodeCpuRefuses, ASequenceAtTheEndOfTheContext) {
  sequence_.tokens = model_.spec().context_max;
  EXPECT_THAT(error_of(*pool_, {&sequence_}, {1}).message, testing::HasSubstr("512 tokens"));
}

TEST_F(DecodeCpuRefuses, ABlockOutsideThePool) {
  sequence_.blocks[0] = 20;
  EXPECT_THAT(error_of(*pool_, {&sequence_}, {1}).message, testing::HasSubstr("outside the pool"));
}

TEST_F(DecodeCpuRefuses, DroppedRowsThatCannotBe) {
  sequence_.tokens = 3;
  sequence_.dropped = {1};
  EXPECT_THAT(error_of(*pool_, {&sequence_}, {1}).message, testing::HasSubstr("layers and heads"));
  const auto heads = static_cast<std::size_t>(model_.spec().layers * model_.spec().kv_heads);
  sequence_.dropped.assign(heads, 4);
  EXPECT_THAT(error_of(*pool_, {&sequence_}, {1}).message, testing::HasSubstr("more dropped"));
  sequence_.dropped.assign(heads, -1);
  EXPECT_THAT(error_of(*pool_, {&sequence_}, {1}).message, testing::HasSubstr("fewer than none"));
}

TEST_F(DecodeCpuRefuses, TheSameSequenceTwice) {
  EXPECT_THAT(error_of(*pool_, {&sequence_, &sequence_}, {1, 1}).message,
              testing::HasSubstr("twice"));
}

TEST_F(DecodeCpuRefuses, APoolOfAnotherShape) {
  ModelSpec other = tiny_spec();
  other.kv_heads = 3;
  auto pool = pool_for(other, DType::kF32, 1);
  EXPECT_THAT(error_of(*pool, {&sequence_}, {1}).message, testing::HasSubstr("another shape"));
}

TEST_F(DecodeCpuRefuses, CountsThatDoNotMatch) {
  EXPECT_THAT(error_of(*pool_, {&sequence_}, {1, 2}).message, testing::HasSubstr("one token"));
  std::vector<float> logits(3);
  KvSequence* const sequences[] = {&sequence_};
  const TokenId token = 1;
  EXPECT_FALSE(engine_->decode(*pool_, sequences, {&token, 1}, logits));
}

TEST(DecodeCpuCreate, SaysWhichWeightIsMissing) {
  TinyModel model(tiny_spec());
  model.drop(WeightRole::kDown, 1);
  const auto engine = create_decode_cpu(model, {});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(engine.error().message, testing::HasSubstr("of layer 1 is missing"));
}

}  // namespace
}  // namespace sluice::runtime
