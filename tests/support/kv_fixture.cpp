// SPDX-License-Identifier: Apache-2.0
#include "tests/support/kv_fixture.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "kernels/core/check.hpp"

namespace sluice::tests {
namespace {

using kernels::KvHalf;

constexpr std::int64_t kSharedDirections = 6;

// Only additions, multiplications and raw random bits: the same numbers with every library.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : random_(seed) {}
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  // The sum of twelve uniforms: nearly normal, variance 1.
  double normal() {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
  double heavy() { return normal() * (uniform() < 0.02 ? 5.0 : 1.0); }

 private:
  std::mt19937_64 random_;
};

// Taylor series about 0, for |x| of a few units.
double series(double x, int first, int step, double sign) {
  double term = first == 0 ? 1.0 : x;
  double sum = term;
  for (int n = first; n < 60; n += step) {
    for (int factor = n + 1; factor <= n + step; ++factor) term = term * x / factor;
    term *= sign;
    sum += term;
  }
  return sum;
}
double own_exp(double x) { return series(x, 0, 1, 1.0); }
double own_cos(double x) { return series(x, 0, 2, -1.0); }
double own_sin(double x) { return series(x, 1, 2, -1.0); }

// Angles of base 10,000 over the head, halves layout.
kernels::RopeAngles rope_angles(std::int64_t head_dim) {
  kernels::RopeAngles rope;
  const std::int64_t pairs = head_dim / 2;
  const double step =
      own_exp(-9.210340371976184 / static_cast<double>(std::max<std::int64_t>(pairs, 1)));
  double radians = 1.0;
  for (std::int64_t pair = 0; pair < pairs; ++pair, radians *= step) {
    rope.radians_per_position.push_back(radians);
  }
  return rope;
}

// One head's rows, [tokens][head_dim]. `shared`: the layer's slow signals, [tokens][directions].
std::vector<double> head_rows(const KvFixtureSpec& spec, bool is_key,
                              const std::vector<double>& shared, Noise& model, Noise& text) {
  const std::int64_t dim = spec.head_dim;
  std::vector<double> rows(static_cast<std::size_t>(spec.tokens * dim));
  for (std::int64_t c = 0; c < dim; ++c) {
    const bool is_outlier = is_key && model.uniform() < 0.06;
    const double mean = is_outlier ? (model.uniform() < 0.5 ? -7.0 : 7.0) : 0.3 * model.normal();
    const double scale = is_key ? 0.4 + model.uniform() : 0.2 + 0.3 * model.uniform();
    double weights[kSharedDirections];
    for (double& weight : weights) weight = 0.4 * model.normal();
    double before = text.normal();
    for (std::int64_t t = 0; t < spec.tokens; ++t) {
      before = 0.6 * before + 0.8 * (is_key ? text.normal() : text.heavy());
      double value = mean + 0.7 * scale * before;
      for (std::int64_t d = 0; d < kSharedDirections; ++d) {
        value += scale * weights[d] * shared[static_cast<std::size_t>(t * kSharedDirections + d)];
      }
      rows[static_cast<std::size_t>(t * dim + c)] = t == 0 ? 3.0 * value : value;
    }
  }
  return rows;
}

void turn_pairs(std::vector<double>& rows, std::int64_t dim, const kernels::RopeAngles& rope) {
  const auto pairs = static_cast<std::int64_t>(rope.radians_per_position.size());
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    const double radians = rope.radians_per_position[static_cast<std::size_t>(pair)];
    const double step_cos = own_cos(radians);
    const double step_sin = own_sin(radians);
    double cosine = 1.0;
    double sine = 0.0;
    for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(dim)) {
      double& a = rows[at + static_cast<std::size_t>(pair)];
      double& b = rows[at + static_cast<std::size_t>(pair + pairs)];
      const double turned = a * cosine - b * sine;
      b = a * sine + b * cosine;
      a = turned;
      const double next = cosine * step_cos - sine * step_sin;
      sine = cosine * step_sin + sine * step_cos;
      cosine = next;
    }
  }
}

std::vector<float> score_rows(std::size_t count, Noise& noise) {
  std::vector<float> scores(count);
  for (float& score : scores) {
    const double u = noise.uniform();
    score = static_cast<float>(u * u * u * u * (noise.uniform() < 0.05 ? 20.0 : 1.0));
  }
  return scores;
}

}  // namespace

KvFixture::KvFixture(const KvFixtureSpec& spec) : spec_(spec) {
  SLUICE_CHECK(spec.dtype == DType::kBF16 || spec.dtype == DType::kF32, "pages are BF16 or FP32");
  shape_ = {.layers = spec.layers,
            .kv_heads = spec.kv_heads,
            .head_dim = spec.head_dim,
            .model_fingerprint = 0x5e1f00d5e1f00d00U,
            .rope = rope_angles(spec.head_dim)};
  blocks_ = (spec.tokens + spec.block_tokens - 1) / spec.block_tokens;
  const std::size_t block_bytes =
      static_cast<std::size_t>(2 * spec.kv_heads * spec.block_tokens * spec.head_dim) *
      dtype_block_bytes(spec.dtype);
  for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
    memory_.emplace_back(static_cast<std::size_t>(blocks_) * block_bytes);
    std::vector<std::byte*>& starts = block_starts_.emplace_back();
    // Backwards: nothing may take neighbouring blocks for neighbours in memory.
    for (std::int64_t block = blocks_ - 1; block >= 0; --block) {
      starts.push_back(memory_.back().data() + static_cast<std::size_t>(block) * block_bytes);
    }
  }
  if (!spec.is_zero) fill();
}

void KvFixture::fill() {
  for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
    for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
      const bool is_key = half == KvHalf::kKey;
      const auto plane = static_cast<std::uint64_t>(2 * layer + (is_key ? 0 : 1));
      Noise model(spec_.seed * 1000 + plane);
      Noise text(spec_.text * 1000 + 500 + plane);
      std::vector<double> shared(static_cast<std::size_t>(spec_.tokens * kSharedDirections));
      for (double& value : shared) value = text.normal();
      for (std::int64_t head = 0; head < spec_.kv_heads; ++head) {
        std::vector<double> rows = head_rows(spec_, is_key, shared, model, text);
        if (is_key) turn_pairs(rows, spec_.head_dim, shape_.rope);
        for (std::int64_t t = 0; t < spec_.tokens; ++t) {
          for (std::int64_t c = 0; c < spec_.head_dim; ++c) {
            const double value = rows[static_cast<std::size_t>(t * spec_.head_dim + c)];
            set(layer, half, head, t, c, f32_from_bf16(bf16_from_f32(static_cast<float>(value))));
          }
        }
      }
    }
  }
}

kernels::KvPages KvFixture::pages(std::int64_t layer) const {
  return {.blocks = block_starts_[static_cast<std::size_t>(layer)],
          .block_tokens = spec_.block_tokens,
          .kv_heads = spec_.kv_heads,
          .head_dim = spec_.head_dim,
          .element_bytes = dtype_block_bytes(spec_.dtype)};
}

std::vector<kernels::KvPages> KvFixture::pages() const {
  std::vector<kernels::KvPages> all;
  for (std::int64_t layer = 0; layer < spec_.layers; ++layer) all.push_back(pages(layer));
  return all;
}

std::byte* KvFixture::element(std::int64_t layer, KvHalf half, std::int64_t head,
                              std::int64_t token, std::int64_t channel) const {
  SLUICE_CHECK(layer < spec_.layers && head < spec_.kv_heads && token < spec_.tokens &&
                   channel < spec_.head_dim,
               "outside of the cache");
  const std::int64_t plane = (half == KvHalf::kKey ? 0 : spec_.kv_heads) + head;
  const std::int64_t row = plane * spec_.block_tokens + token % spec_.block_tokens;
  return block_starts_[static_cast<std::size_t>(layer)]
                      [static_cast<std::size_t>(token / spec_.block_tokens)] +
         static_cast<std::size_t>(row * spec_.head_dim + channel) * dtype_block_bytes(spec_.dtype);
}

float KvFixture::get(std::int64_t layer, KvHalf half, std::int64_t head, std::int64_t token,
                     std::int64_t channel) const {
  const std::byte* from = element(layer, half, head, token, channel);
  if (spec_.dtype == DType::kF32) {
    float value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, from, sizeof bits);
  return f32_from_bf16(bits);
}

void KvFixture::set(std::int64_t layer, KvHalf half, std::int64_t head, std::int64_t token,
                    std::int64_t channel, float value) {
  std::byte* to = element(layer, half, head, token, channel);
  if (spec_.dtype == DType::kF32) {
    std::memcpy(to, &value, sizeof value);
    return;
  }
  const std::uint16_t bits = bf16_from_f32(value);
  std::memcpy(to, &bits, sizeof bits);
}

std::vector<float> KvFixture::rows(std::int64_t layer, KvHalf half) const {
  std::vector<float> rows;
  rows.reserve(static_cast<std::size_t>(spec_.tokens * spec_.kv_heads * spec_.head_dim));
  for (std::int64_t t = 0; t < spec_.tokens; ++t) {
    for (std::int64_t h = 0; h < spec_.kv_heads; ++h) {
      for (std::int64_t c = 0; c < spec_.head_dim; ++c) rows.push_back(get(layer, half, h, t, c));
    }
  }
  return rows;
}

std::vector<kernels::LayerScores> KvFixture::scores(const kernels::ScoreNeeds& needs) const {
  std::vector<kernels::LayerScores> all;
  const auto count = static_cast<std::size_t>(spec_.kv_heads * spec_.tokens);
  for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
    Noise noise(spec_.seed * 977 + 31 * static_cast<std::uint64_t>(layer));
    kernels::LayerScores scores;
    scores.tokens = spec_.tokens;
    scores.kv_heads = spec_.kv_heads;
    const std::int64_t window = std::min(needs.window_tokens, spec_.tokens);
    scores.window_first = spec_.tokens - window;
    if (needs.window_tokens > 0) scores.window = score_rows(count, noise);
    if (needs.peak) scores.peak = score_rows(count, noise);
    if (needs.accumulated) scores.accumulated = score_rows(count, noise);
    if (needs.expected) scores.expected = score_rows(count, noise);
    if (needs.reconstruction) scores.reconstruction = score_rows(count, noise);
    if (needs.output_norm) {
      scores.output_norm = score_rows(count, noise);
      scores.expected_output = score_rows(count, noise);
    }
    if (needs.similarity) scores.similarity = static_cast<float>(2.0 * noise.uniform() - 1.0);
    if (needs.queries) {
      // As many query heads as KV heads.
      scores.queries.resize(static_cast<std::size_t>(window * spec_.kv_heads * spec_.head_dim));
      for (float& value : scores.queries) value = static_cast<float>(noise.normal());
    }
    all.push_back(std::move(scores));
  }
  return all;
}

std::vector<std::int32_t> all_positions(std::int64_t tokens) {
  std::vector<std::int32_t> positions(static_cast<std::size_t>(tokens));
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

kernels::Plane whole_plane(const KvFixture& cache, std::int64_t layer, KvHalf half,
                           std::span<const std::int32_t> positions) {
  return {.shape = &cache.shape(),
          .profile = nullptr,
          .tables = "test",
          .half = half,
          .layer_first = layer,
          .layer_count = 1,
          .head_first = 0,
          .head_count = cache.shape().kv_heads,
          .level = 1,
          .positions = positions,
          .importance = {}};
}

kernels::ConstMatrix matrix_of(const std::vector<float>& rows, std::int64_t columns) {
  return {rows.data(), static_cast<std::int64_t>(rows.size()) / columns, columns, columns};
}
kernels::Matrix matrix_of(std::vector<float>& rows, std::int64_t columns) {
  return {rows.data(), static_cast<std::int64_t>(rows.size()) / columns, columns, columns};
}

double relative_rms(const std::vector<float>& expected, const std::vector<float>& actual) {
  SLUICE_CHECK(expected.size() == actual.size(), "rows of one shape");
  double error = 0;
  double power = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = static_cast<double>(expected[i]) - static_cast<double>(actual[i]);
    error += difference * difference;
    power += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
  }
  if (error == 0) return 0;
  return std::sqrt(error / power);
}

}  // namespace sluice::tests
