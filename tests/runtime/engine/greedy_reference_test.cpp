// SPDX-License-Identifier: Apache-2.0
// Our logits against the greedy answers of llama.cpp on the same file (make_greedy_reference.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/engine/engine.hpp"
#include "runtime/engine/engine_options.hpp"

namespace sluice::runtime {
namespace {

// llama.cpp rounds activations to 8 bits, which moves this model's logits by a few tenths: closer
// than this, either token may come first. A wrong model is off by several units.
constexpr float kTie = 0.5F;

TEST(GreedyReference, LlamaCppChoosesOurMostLikelyTokenWhereTiesAllow) {
  const std::string path = SLUICE_DEFAULT_MODEL;
  if (path.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  const auto model = ModelFile::open(path);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const auto engine = PrefillEngine::create(**model, {.compute = ComputeType::kF32}, {});
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  const auto pool = KvPool::create(kv_shape_of((*model)->spec()), kv_blocks_for(4096));
  ASSERT_TRUE(pool.has_value());
  std::ifstream file(std::string(SLUICE_SOURCE_DIR) +
                     "/tests/runtime/engine/greedy_reference.json");
  const auto cases = nlohmann::json::parse(file);
  const auto vocab = static_cast<std::size_t>((*model)->spec().vocab);
  int tokens = 0;
  int ties = 0;
  for (const auto& one : cases) {
    const std::vector<TokenId> prompt = one["prompt"];
    const std::vector<TokenId> answer = one["answer"];
    KvSequence sequence{(*pool)->acquire(kv_blocks_for(2048)).value(), 0};
    std::vector<float> logits(answer.size() * vocab);
    const std::span<float> all(logits);
    ASSERT_TRUE((*engine)->prefill(**pool, sequence, prompt, {}, all.first(vocab)).has_value());
    if (answer.size() > 1) {
      const std::span<const TokenId> fed(answer.data(), answer.size() - 1);
      ASSERT_TRUE((*engine)->prefill(**pool, sequence, fed, {}, all.subspan(vocab)).has_value());
    }
    for (std::size_t i = 0; i < answer.size(); ++i) {
      const auto row = all.subspan(i * vocab, vocab);
      const float best = *std::max_element(row.begin(), row.end());
      const float theirs = row[static_cast<std::size_t>(answer[i])];
      EXPECT_LE(best - theirs, kTie) << "token " << i << " after " << prompt.size();
      ties += best != theirs ? 1 : 0;
      ++tokens;
    }
    (*pool)->release(sequence.blocks);
  }
  EXPECT_GT(tokens, 200);
  EXPECT_LE(ties * 20, tokens) << "more than one in twenty is too often for a tie";
}

}  // namespace
}  // namespace sluice::runtime
