// SPDX-License-Identifier: Apache-2.0
// The oracle of the engines: a Llama forward pass in double, written for reading.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "kernels/linear/dequantize.hpp"
#include "runtime/engine/rope.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

class ReferenceForward {
 public:
  using Vector = std::vector<double>;

  // `kv_dtype`: keys and values are rounded as a cache of that type would (kF32: not at all).
  explicit ReferenceForward(const ModelFile& model, DType kv_dtype = DType::kF32)
      : model_(model),
        spec_(model.spec()),
        kv_dtype_(kv_dtype),
        rope_(RopeFrequencies::build(spec_.rope, model.weight(WeightRole::kRopeFactors))) {}

  // From query `first_query` on, keys and values for which `is_dropped(layer, kv_head, token)` are
  // not seen: a cache from which rows were left out after a prompt.
  using IsDropped = std::function<bool(std::int64_t, std::size_t, std::size_t)>;
  void drop(std::size_t first_query, IsDropped is_dropped) {
    first_query_ = first_query;
    is_dropped_ = std::move(is_dropped);
  }

  // Logits after each of `tokens`, at positions 0, 1, ...
  std::vector<Vector> logits(std::span<const TokenId> tokens) const {
    std::vector<Vector> hidden;
    const TensorView embedding = *model_.weight(WeightRole::kTokenEmbedding);
    for (const TokenId token : tokens) hidden.push_back(row(embedding, token));
    for (std::int64_t layer = 0; layer < spec_.layers; ++layer) apply(layer, hidden);
    for (Vector& x : hidden) {
      x = product(WeightRole::kOutput, 0, norm(WeightRole::kOutputNorm, 0, x));
    }
    return hidden;
  }

 private:
  static Vector row(const TensorView& weights, std::int64_t index) {
    std::vector<float> values(static_cast<std::size_t>(kernels::weight_columns(weights)));
    kernels::dequantize(weights, index, 1, values.data());
    return {values.begin(), values.end()};
  }

  Vector product(WeightRole role, std::int64_t layer, const Vector& x) const {
    const TensorView weights = *model_.weight(role, layer);
    Vector y;
    for (std::int64_t n = 0; n < kernels::weight_rows(weights); ++n) {
      const Vector w = row(weights, n);
      double sum = 0;
      for (std::size_t k = 0; k < w.size(); ++k) sum += w[k] * x[k];
      y.push_back(sum);
    }
    return y;
  }

  Vector norm(WeightRole role, std::int64_t layer, const Vector& x) const {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double root = std::sqrt(squares / static_cast<double>(x.size()) + spec_.rms_epsilon);
    Vector out = row(*model_.weight(role, layer), 0);
    for (std::size_t i = 0; i < x.size(); ++i) out[i] *= x[i] / root;
    return out;
  }

  Vector project(WeightRole role, WeightRole bias_role, std::int64_t layer, const Vector& x) const {
    Vector y = product(role, layer, x);
    if (!spec_.attention_bias) return y;
    const Vector bias = row(*model_.weight(bias_role, layer), 0);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += bias[i];
    return y;
  }

  void rotate(Vector& heads, std::size_t position) const {
    const auto pairs = rope_.radians_per_position.size();
    const bool is_interleaved = spec_.rope.style == RopeStyle::kInterleaved;
    for (std::size_t head = 0; head < heads.size();
         head += static_cast<std::size_t>(spec_.head_dim)) {
      for (std::size_t i = 0; i < pairs; ++i) {
        double& a = heads[head + (is_interleaved ? 2 * i : i)];
        double& b = heads[head + (is_interleaved ? 2 * i + 1 : i + pairs)];
        const double angle = static_cast<double>(position) * rope_.radians_per_position[i];
        const double c = std::cos(angle) * rope_.attention_factor;
        const double s = std::sin(angle) * rope_.attention_factor;
        const double turned = a * c - b * s;
        b = a * s + b * c;
        a = turned;
      }
    }
  }

  void round_kv(Vector& values) const {
    if (kv_dtype_ != DType::kBF16) return;
    for (double& value : values) {
      value = f32_from_bf16(bf16_from_f32(static_cast<float>(value)));
    }
  }

  void apply(std::int64_t layer, std::vector<Vector>& hidden) const {
    std::vector<Vector> keys, values;
    for (std::size_t t = 0; t < hidden.size(); ++t) {
      const Vector x = norm(WeightRole::kAttentionNorm, layer, hidden[t]);
      Vector query = project(WeightRole::kQuery, WeightRole::kQueryBias, layer, x);
      keys.push_back(project(WeightRole::kKey, WeightRole::kKeyBias, layer, x));
      values.push_back(project(WeightRole::kValue, WeightRole::kValueBias, layer, x));
      rotate(query, t);
      rotate(keys.back(), t);
      round_kv(keys.back());
      round_kv(values.back());
      add(hidden[t],
          product(WeightRole::kAttentionOutput, layer, attend(layer, query, keys, values)));
    }
    for (Vector& x : hidden) {
      const Vector y = norm(WeightRole::kFfnNorm, layer, x);
      Vector gate = product(WeightRole::kGate, layer, y);
      const Vector up = product(WeightRole::kUp, layer, y);
      for (std::size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
      add(x, product(WeightRole::kDown, layer, gate));
    }
  }

  static void add(Vector& x, const Vector& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  Vector attend(std::int64_t layer, const Vector& query, const std::vector<Vector>& keys,
                const std::vector<Vector>& values) const {
    const auto width = static_cast<std::size_t>(spec_.head_dim);
    const auto shared = static_cast<std::size_t>(spec_.heads / spec_.kv_heads);
    Vector out(query.size(), 0.0);
    for (std::size_t head = 0; head < static_cast<std::size_t>(spec_.heads); ++head) {
      const std::size_t q = head * width;
      const std::size_t kv = head / shared * width;
      Vector weights;
      for (const Vector& key : keys) {
        const auto token = static_cast<std::size_t>(&key - keys.data());
        if (is_dropped_ && keys.size() > first_query_ && token < first_query_ &&
            is_dropped_(layer, head / shared, token)) {
          weights.push_back(-std::numeric_limits<double>::infinity());
          continue;
        }
        double score = 0;
        for (std::size_t d = 0; d < width; ++d) score += query[q + d] * key[kv + d];
        weights.push_back(score / std::sqrt(static_cast<double>(width)));
      }
      const double largest = *std::max_element(weights.begin(), weights.end());
      double total = 0;
      for (double& weight : weights) total += weight = std::exp(weight - largest);
      for (std::size_t t = 0; t < values.size(); ++t) {
        for (std::size_t d = 0; d < width; ++d) {
          out[q + d] += weights[t] / total * values[t][kv + d];
        }
      }
    }
    return out;
  }

  const ModelFile& model_;
  const ModelSpec spec_;
  DType kv_dtype_;
  RopeFrequencies rope_;
  std::size_t first_query_ = 0;
  IsDropped is_dropped_;
};

}  // namespace sluice::runtime
