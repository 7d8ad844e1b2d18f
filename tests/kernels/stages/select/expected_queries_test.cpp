// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/expected_queries.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "kernels/stages/select/score_collector.hpp"
#include "tests/kernels/stages/select/attention_case.hpp"

namespace sluice::kernels {
namespace {

using Vector = std::vector<double>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// The paper's formula with rotation matrices written out, in double.
struct Oracle {
  const AttentionCase& layer;
  const RopeAngles& rope;

  // The rotation of `position`, [dim][dim].
  Vector rotation(double position, double sign, double factor) const {
    const std::int64_t dim = layer.head_dim;
    const auto pairs = static_cast<std::int64_t>(rope.radians_per_position.size());
    Vector r(at(dim * dim));
    for (std::int64_t i = 2 * pairs; i < dim; ++i) r[at(i * dim + i)] = 1;
    for (std::int64_t i = 0; i < pairs; ++i) {
      const std::int64_t a = rope.is_interleaved ? 2 * i : i;
      const std::int64_t b = rope.is_interleaved ? 2 * i + 1 : i + pairs;
      const double angle = sign * position * rope.radians_per_position[at(i)];
      r[at(a * dim + a)] = r[at(b * dim + b)] = factor * std::cos(angle);
      r[at(a * dim + b)] = -factor * std::sin(angle);
      r[at(b * dim + a)] = factor * std::sin(angle);
    }
    return r;
  }
  Vector times(const Vector& m, const Vector& x) const {
    const std::int64_t dim = layer.head_dim;
    Vector y(at(dim));
    for (std::int64_t i = 0; i < dim; ++i) {
      for (std::int64_t j = 0; j < dim; ++j) y[at(i)] += m[at(i * dim + j)] * x[at(j)];
    }
    return y;
  }

  // Shares of attention to tokens from the sinks on, of one query head.
  Vector shares(std::int64_t head) const {
    const std::int64_t dim = layer.head_dim;
    std::vector<Vector> queries;
    Vector mean(at(dim));
    for (std::int64_t t = kExpectedSinks; t < layer.tokens; ++t) {
      const auto from = layer.queries.begin() + (t * layer.heads + head) * dim;
      queries.push_back(times(rotation(static_cast<double>(t), -1, 1 / rope.attention_factor),
                              Vector(from, from + dim)));
      for (std::int64_t i = 0; i < dim; ++i) mean[at(i)] += queries.back()[at(i)];
    }
    for (double& value : mean) value /= static_cast<double>(queries.size());
    Vector average(at(dim * dim));
    for (std::int64_t step = 0; step < kExpectedPositions; ++step) {
      const Vector r = rotation(static_cast<double>(layer.tokens + step), 1, rope.attention_factor);
      for (std::size_t i = 0; i < r.size(); ++i) average[i] += r[i] / kExpectedPositions;
    }
    Vector shares;
    double total = 0;
    for (std::int64_t t = kExpectedSinks; t < layer.tokens; ++t) {
      const auto from = layer.keys.begin() + (t * layer.kv_heads + head / layer.group()) * dim;
      const Vector k(from, from + dim);
      double variance = 0;  // mean over queries of ((R (q - mean)) . k)^2 = k^T R C R^T k
      for (const Vector& q : queries) {
        Vector centred = q;
        for (std::int64_t i = 0; i < dim; ++i) centred[at(i)] -= mean[at(i)];
        const Vector turned = times(average, centred);
        double dot = 0;
        for (std::int64_t i = 0; i < dim; ++i) dot += turned[at(i)] * k[at(i)];
        variance += dot * dot / static_cast<double>(queries.size());
      }
      const Vector future = times(average, mean);
      double dot = 0;
      for (std::int64_t i = 0; i < dim; ++i) dot += future[at(i)] * k[at(i)];
      const auto d = static_cast<double>(dim);
      shares.push_back(std::exp(dot / std::sqrt(d) + variance / (2 * d)));
      total += shares.back();
    }
    for (double& share : shares) share /= total;
    return shares;
  }
};

void expect_formula(RopeAngles rope) {
  const AttentionCase layer(40, 4, 2, 8);
  ScoreTask task{
      .needs = {.expected = true, .output_norm = true}, .shape = {}, .heads = 4, .tokens = 40};
  task.shape.layers = 1;
  task.shape.kv_heads = 2;
  task.shape.head_dim = 8;
  task.shape.rope = rope;
  // |W v|^2 = v^T W^T W v, here with a W that counts the head's first elements h + 1 times.
  std::vector<float> gram(4 * 8 * 8);
  for (std::size_t head = 0; head < 4; ++head) {
    for (std::size_t i = 0; i < 8; ++i) {
      gram[(head * 8 + i) * 8 + i] = i == 0 ? static_cast<float>((head + 1) * (head + 1)) : 1.0F;
    }
  }
  task.output_gram = [&](std::int64_t) -> Result<std::span<const float>> {
    return std::span<const float>(gram);
  };
  ScoreCollector collector(std::move(task));
  collector.observe(layer.piece(0, 0, 3)).value();
  collector.observe(layer.piece(0, 3, 17)).value();
  collector.observe(layer.piece(0, 17, 40)).value();
  const LayerScores& scores = collector.scores()[0];
  const Oracle oracle{layer, rope};
  for (std::int64_t kv_head = 0; kv_head < 2; ++kv_head) {
    const Vector first = oracle.shares(2 * kv_head);
    const Vector second = oracle.shares(2 * kv_head + 1);
    for (std::int64_t t = 0; t < 40; ++t) {
      const std::size_t i = at(kv_head * 40 + t);
      if (t < kExpectedSinks) {
        EXPECT_EQ(scores.expected[i], 0.0F);
        continue;
      }
      const double a = first[at(t - kExpectedSinks)];
      const double b = second[at(t - kExpectedSinks)];
      ASSERT_NEAR(scores.expected[i], (a + b) / 2, 1e-5 + 1e-3 * (a + b)) << t;
      const float* v = layer.values.data() + (t * 2 + kv_head) * 8;
      double rest = 0;
      for (int d = 1; d < 8; ++d) rest += static_cast<double>(v[d]) * v[d];
      const auto norm = [&](std::int64_t head) {
        const double scaled = static_cast<double>(head + 1) * static_cast<double>(v[0]);
        return std::sqrt(scaled * scaled + rest);
      };
      const double na = norm(2 * kv_head);
      const double nb = norm(2 * kv_head + 1);
      ASSERT_NEAR(scores.output_norm[i], (na + nb) / 2, 1e-3) << t;
      ASSERT_NEAR(scores.expected_output[i], (a * na + b * nb) / 2, 1e-4 + 1e-3 * (a + b)) << t;
    }
  }
}

TEST(ExpectedQueries, FollowThePapersFormulaWithHalvedPairs) {
  expect_formula({.radians_per_position = {1.0, 0.3, 0.02, 0.004}});
}

TEST(ExpectedQueries, FollowItWithInterleavedPairsAnAttentionFactorAndAnUnrotatedRest) {
  expect_formula(
      {.radians_per_position = {0.7, 0.003}, .attention_factor = 1.2, .is_interleaved = true});
}

TEST(ExpectedQueries, PromptsNoLongerThanTheSinksAreDefined) {
  for (const std::int64_t tokens : {1, 4, 5}) {
    const AttentionCase layer(tokens, 2, 1, 4);
    CacheShape shape{.layers = 1, .kv_heads = 1, .head_dim = 4, .model_fingerprint = 0, .rope = {}};
    QueryStatistics statistics(2, 4);
    statistics.add(layer.piece(0, 0, tokens), shape, RotationTable::build(shape.rope, 0, tokens));
    LayerScores scores;
    statistics.finish(shape, layer.pages, tokens, {}, scores);
    ASSERT_EQ(scores.expected.size(), at(tokens));
    EXPECT_TRUE(scores.output_norm.empty());
    float total = 0.0F;
    for (const float share : scores.expected) total += share;
    EXPECT_NEAR(total, 1.0F, 1e-5F) << tokens;
  }
}

TEST(ExpectedQueries, AMissingProjectionIsASentence) {
  const AttentionCase layer(6, 2, 1, 4);
  ScoreTask task{
      .needs = {.expected = true, .output_norm = true}, .shape = {}, .heads = 2, .tokens = 6};
  task.shape.layers = 1;
  task.shape.kv_heads = 1;
  task.shape.head_dim = 4;
  ScoreCollector collector(std::move(task));
  EXPECT_EQ(collector.observe(layer.piece(0, 0, 6)).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::kernels
