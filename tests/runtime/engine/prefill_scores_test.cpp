// SPDX-License-Identifier: Apache-2.0
// Scores of real attention: the default model's weights of attention by a direct softmax over its
// own queries and keys, against what the collector makes of log-sums. (Both paths give the same
// log-sums: prefill_observer_test.cpp.)
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/elementwise/convert.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/stages/select/score_collector.hpp"
#include "runtime/engine/prefill_torch.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t kTokens = 120;
constexpr std::int64_t kWindow = 20;

// The weights of a layer's window, summed over it and over the heads that share K, by the formula.
std::vector<double> direct_softmax(const kernels::LayerQueries& piece, std::int64_t kv_heads,
                                   std::int64_t dim) {
  const std::int64_t rows = piece.last_token - piece.first_token;
  std::vector<float> queries(static_cast<std::size_t>(rows * piece.heads * dim));
  kernels::convert_rows(rows, piece.heads * dim, piece.queries,
                        {queries.data(), DType::kF32, piece.heads * dim});
  std::vector<float> keys(static_cast<std::size_t>(kv_heads * piece.last_token * dim));
  kernels::gather_kv(piece.pages, kernels::KvHalf::kKey, piece.last_token,
                     {keys.data(), DType::kF32, dim});
  std::vector<double> mass(static_cast<std::size_t>(kv_heads * piece.last_token));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t head = 0; head < piece.heads; ++head) {
      const std::int64_t kv_head = head / (piece.heads / kv_heads);
      std::vector<double> weights;
      double total = 0;
      for (std::int64_t key = 0; key <= piece.first_token + row; ++key) {
        double score = 0;
        for (std::int64_t d = 0; d < dim; ++d) {
          score += static_cast<double>(
                       queries[static_cast<std::size_t>((row * piece.heads + head) * dim + d)]) *
                   keys[static_cast<std::size_t>((kv_head * piece.last_token + key) * dim + d)];
        }
        weights.push_back(std::exp(score / std::sqrt(static_cast<double>(dim))));
        total += weights.back();
      }
      for (std::size_t key = 0; key < weights.size(); ++key) {
        mass[static_cast<std::size_t>(kv_head * piece.last_token) + key] += weights[key] / total;
      }
    }
  }
  return mass;
}

TEST(PrefillScores, OfTheDefaultModelAreItsWeightsOfAttention) {
  const std::string path = SLUICE_DEFAULT_MODEL;
  if (path.empty()) GTEST_SKIP() << "no default model: run launch/setup";
  const auto model = ModelFile::open(path).value();
  const ModelSpec& spec = model->spec();
  std::vector<TokenId> tokens;
  for (std::int64_t i = 0; i < kTokens; ++i) {
    tokens.push_back(static_cast<TokenId>((i * i * 7919 + 13) % spec.vocab));
  }
  const auto engine = create_prefill_torch(*model, {.compute = ComputeType::kF32, .threads = 2},
                                           TorchPath::kFused, {})
                          .value();
  const auto pool =
      KvPool::create({spec.layers, spec.kv_heads, spec.head_dim, DType::kBF16}, 5).value();
  KvSequence sequence{.blocks = pool->acquire(5).value(), .tokens = 0};
  kernels::ScoreCollector collector({.needs = {.window_tokens = kWindow},
                                     .shape = {spec.layers, spec.kv_heads, spec.head_dim, 0, {}},
                                     .heads = spec.heads,
                                     .tokens = kTokens});
  std::vector<std::vector<double>> direct(static_cast<std::size_t>(spec.layers));
  const PrefillObserver observer{.first_token = collector.first_token(),
                                 .similarity = false,
                                 .observe = [&](const kernels::LayerQueries& piece) {
                                   collector.observe(piece).value();
                                   if (piece.last_token == kTokens && piece.layer % 7 == 1) {
                                     direct[static_cast<std::size_t>(piece.layer)] =
                                         direct_softmax(piece, spec.kv_heads, spec.head_dim);
                                   }
                                 }};
  // The window lies in the second chunk.
  const std::span<const TokenId> all(tokens);
  engine->prefill(*pool, sequence, all.first(100), {{}, &observer}, {}).value();
  engine->prefill(*pool, sequence, all.subspan(100), {{}, &observer}, {}).value();
  for (std::int64_t layer = 1; layer < spec.layers; layer += 7) {
    const auto& window = collector.scores()[static_cast<std::size_t>(layer)].window;
    const auto& exact = direct[static_cast<std::size_t>(layer)];
    ASSERT_EQ(window.size(), exact.size());
    double largest = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      largest = std::max(largest, exact[i]);
      ASSERT_NEAR(window[i], exact[i], 1e-4 + 1e-3 * exact[i]) << "layer " << layer << " at " << i;
    }
    EXPECT_GT(largest, 0.5) << "layer " << layer;  // else the check above checks nothing
  }
}

}  // namespace
}  // namespace sluice::runtime
