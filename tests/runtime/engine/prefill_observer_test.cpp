// SPDX-License-Identifier: Apache-2.0
// What the engine tells those who watch its attention, on tiny models, on both paths.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/linear/dequantize.hpp"
#include "runtime/engine/prefill_torch.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;

std::vector<TokenId> some_tokens(const ModelSpec& spec, std::size_t count) {
  std::mt19937 generator(7);
  std::uniform_int_distribution<TokenId> any(0, static_cast<TokenId>(spec.vocab - 1));
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = any(generator);
  return tokens;
}

// A copy of what an observer was given, all pieces of a layer together.
struct Seen {
  std::vector<std::vector<std::int64_t>> calls;  // layer, first and last token of each
  std::vector<std::vector<float>> queries;       // by layer
  std::vector<std::vector<float>> lse;
  std::vector<std::vector<float>> keys;  // [kv_head][position][head_dim] at the last piece
  std::vector<double> similarity;
  std::vector<std::int64_t> similarity_tokens;
};

class Observed {
 public:
  Observed(const ModelFile& model, TorchPath path)
      : spec_(model.spec()),
        engine_(create_prefill_torch(model, {.compute = ComputeType::kF32, .threads = 1}, path, {})
                    .value()),
        pool_(KvPool::create({spec_.layers, spec_.kv_heads, spec_.head_dim, DType::kF32}, 20)
                  .value()) {
    sequence_.blocks = pool_->acquire(20).value();
  }

  Seen run(const std::vector<TokenId>& tokens, std::size_t chunk, std::int64_t first_token,
           bool similarity, std::span<float> logits = {}) {
    Seen seen;
    const auto layers = static_cast<std::size_t>(spec_.layers);
    seen.queries.resize(layers);
    seen.lse.resize(layers);
    seen.keys.resize(layers);
    seen.similarity.resize(layers);
    seen.similarity_tokens.resize(layers);
    const PrefillObserver observer{.first_token = first_token,
                                   .similarity = similarity,
                                   .observe = [&](const auto& queries) { copy(queries, seen); }};
    sequence_.tokens = 0;
    for (std::size_t first = 0; first < tokens.size(); first += chunk) {
      const std::size_t count = std::min(chunk, tokens.size() - first);
      engine_
          ->prefill(*pool_, sequence_, std::span(tokens).subspan(first, count), {{}, &observer},
                    first + count == tokens.size() ? logits : std::span<float>())
          .value();
    }
    return seen;
  }

  PrefillEngine& engine() { return *engine_; }

 private:
  void copy(const kernels::LayerQueries& queries, Seen& seen) const {
    const auto layer = static_cast<std::size_t>(queries.layer);
    seen.calls.push_back({queries.layer, queries.first_token, queries.last_token});
    const std::int64_t width = spec_.heads * spec_.head_dim;
    ASSERT_EQ(queries.queries.dtype, DType::kF32);
    const auto* rows = static_cast<const float*>(queries.queries.data);
    for (std::int64_t i = 0; i < queries.last_token - queries.first_token; ++i) {
      const float* row = rows + i * queries.queries.stride;
      seen.queries[layer].insert(seen.queries[layer].end(), row, row + width);
      const float* sums = queries.lse + i * spec_.heads;
      seen.lse[layer].insert(seen.lse[layer].end(), sums, sums + spec_.heads);
    }
    seen.keys[layer].resize(
        static_cast<std::size_t>(spec_.kv_heads * queries.last_token * spec_.head_dim));
    kernels::gather_kv(queries.pages, kernels::KvHalf::kKey, queries.last_token,
                       {seen.keys[layer].data(), DType::kF32, spec_.head_dim});
    seen.similarity[layer] += queries.similarity_sum;
    seen.similarity_tokens[layer] += queries.similarity_tokens;
  }

  ModelSpec spec_;
  std::unique_ptr<PrefillEngine> engine_;
  std::unique_ptr<KvPool> pool_;
  KvSequence sequence_;
};

class PrefillObserving : public ::testing::TestWithParam<TorchPath> {};

// The identity that defines both: the weights of a query's attention add up to one.
TEST_P(PrefillObserving, WeightsFromQueriesKeysAndLogSumsAddUpToOne) {
  const TinyModel model(tiny_spec());
  const ModelSpec& spec = model.spec();
  Observed observed(model, GetParam());
  constexpr std::int64_t kTokens = 70;
  constexpr std::int64_t kFirst = 25;
  const auto tokens = some_tokens(spec, kTokens);
  std::vector<float> logits(static_cast<std::size_t>(spec.vocab));
  // Without logits, and with those of the last token, the last layer's attention is cut short.
  for (const std::span<float> wanted : {std::span<float>(), std::span<float>(logits)}) {
    const Seen seen = observed.run(tokens, 33, kFirst, false, wanted);
    for (std::size_t layer = 0; layer < seen.lse.size(); ++layer) {
      ASSERT_EQ(seen.lse[layer].size(), static_cast<std::size_t>((kTokens - kFirst) * spec.heads));
      for (std::size_t row = 0; row < seen.lse[layer].size(); ++row) {
        const auto at = static_cast<std::int64_t>(row);
        const std::int64_t token = kFirst + at / spec.heads;
        const std::int64_t kv_head = at % spec.heads / (spec.heads / spec.kv_heads);
        double sum = 0;
        for (std::int64_t key = 0; key <= token; ++key) {
          double score = 0;
          for (std::int64_t d = 0; d < spec.head_dim; ++d) {
            score +=
                static_cast<double>(
                    seen.queries[layer][static_cast<std::size_t>(at * spec.head_dim + d)]) *
                seen.keys[layer]
                         [static_cast<std::size_t>((kv_head * kTokens + key) * spec.head_dim + d)];
          }
          sum += std::exp(score / std::sqrt(static_cast<double>(spec.head_dim)) -
                          static_cast<double>(seen.lse[layer][row]));
        }
        ASSERT_NEAR(sum, 1.0, 1e-4) << "layer " << layer << " row " << row;
      }
    }
  }
}

TEST_P(PrefillObserving, EveryPieceOfEveryLayerIsAnnouncedOnceWithWhatIsWatchedOfIt) {
  const TinyModel model(tiny_spec());
  Observed observed(model, GetParam());
  const auto seen = observed.run(some_tokens(model.spec(), 40), 30, 35, false);
  EXPECT_THAT(seen.calls, ElementsAre(ElementsAre(0, 30, 30), ElementsAre(1, 30, 30),
                                      ElementsAre(0, 35, 40), ElementsAre(1, 35, 40)));
  EXPECT_THAT(seen.similarity_tokens, ElementsAre(0, 0));
}

// One token in the last chunk: the last layer then has no other token to leave out.
TEST_P(PrefillObserving, ALastChunkOfOneTokenIsAnnouncedOnce) {
  const TinyModel model(tiny_spec());
  Observed observed(model, GetParam());
  std::vector<float> logits(static_cast<std::size_t>(model.spec().vocab));
  const auto seen = observed.run(some_tokens(model.spec(), 31), 30, 30, true, logits);
  EXPECT_THAT(seen.calls, ElementsAre(ElementsAre(0, 30, 30), ElementsAre(1, 30, 30),
                                      ElementsAre(0, 30, 31), ElementsAre(1, 30, 31)));
  EXPECT_THAT(seen.similarity_tokens, ElementsAre(31, 31));
}

TEST_P(PrefillObserving, LogitsAreTheSameWhetherWatchedOrNot) {
  const TinyModel model(tiny_spec());
  Observed observed(model, GetParam());
  const auto tokens = some_tokens(model.spec(), 40);
  const auto vocab = static_cast<std::size_t>(model.spec().vocab);
  std::vector<float> watched(vocab);
  std::vector<float> alone(vocab);
  observed.run(tokens, 40, 0, true, watched);
  observed.run(tokens, 40, 40, false, alone);
  EXPECT_EQ(watched, alone);
}

INSTANTIATE_TEST_SUITE_P(Paths, PrefillObserving,
                         ::testing::Values(TorchPath::kFused, TorchPath::kPlain));

TEST(PrefillObserver, SimilarityIsTheMeanCosineAroundAttentionOnBothPaths) {
  const TinyModel model(tiny_spec());
  const auto tokens = some_tokens(model.spec(), 40);
  const auto fused = Observed(model, TorchPath::kFused).run(tokens, 40, 40, true);
  const auto plain = Observed(model, TorchPath::kPlain).run(tokens, 17, 40, true);
  EXPECT_THAT(fused.similarity_tokens, ElementsAre(40, 40));
  for (std::size_t layer = 0; layer < 2; ++layer) {
    EXPECT_NEAR(fused.similarity[layer], plain.similarity[layer], 1e-3) << layer;
    EXPECT_GT(fused.similarity[layer], -40.0);
    EXPECT_LT(fused.similarity[layer], 40.0);
  }
}

TEST(OutputGram, IsTheProductOfAHeadsColumns) {
  const TinyModel model(tiny_spec());
  const ModelSpec& spec = model.spec();
  const TensorView weights = *model.weight(WeightRole::kAttentionOutput, 1);
  Observed observed(model, TorchPath::kFused);
  const auto gram = observed.engine().output_gram(1).value();
  ASSERT_EQ(gram.size(), static_cast<std::size_t>(spec.heads * spec.head_dim * spec.head_dim));
  std::vector<float> row(static_cast<std::size_t>(spec.heads * spec.head_dim));
  const std::int64_t head = 2, i = 3, j = 5;
  double expected = 0;
  for (std::int64_t n = 0; n < spec.hidden; ++n) {
    kernels::dequantize(weights, n, 1, row.data());
    expected += static_cast<double>(row[static_cast<std::size_t>(head * spec.head_dim + i)]) *
                row[static_cast<std::size_t>(head * spec.head_dim + j)];
  }
  EXPECT_NEAR(gram[static_cast<std::size_t>((head * spec.head_dim + i) * spec.head_dim + j)],
              expected, 1e-4);
  EXPECT_EQ(observed.engine().output_gram(9).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::runtime
