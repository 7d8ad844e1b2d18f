// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/expected_queries.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "kernels/elementwise/convert.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/elementwise/parallel.hpp"
#include "kernels/stages/transform/linear_algebra/multiply.hpp"

namespace sluice::kernels {
namespace {

std::size_t size_of(std::int64_t count) { return static_cast<std::size_t>(count); }

// The places of pair i in a head.
struct Pair {
  std::int64_t a;
  std::int64_t b;
};
Pair pair_at(const RopeAngles& rope, std::int64_t i) {
  const auto pairs = static_cast<std::int64_t>(rope.radians_per_position.size());
  return rope.is_interleaved ? Pair{2 * i, 2 * i + 1} : Pair{i, i + pairs};
}

// x = R x for the block-diagonal R whose block i is [c -s; s c]; x has elements `step` apart.
void rotate(const RopeAngles& rope, const std::vector<double>& cos, const std::vector<double>& sin,
            double* x, std::int64_t step) {
  for (std::size_t i = 0; i < cos.size(); ++i) {
    const Pair pair = pair_at(rope, static_cast<std::int64_t>(i));
    const double a = x[pair.a * step];
    const double b = x[pair.b * step];
    x[pair.a * step] = a * cos[i] - b * sin[i];
    x[pair.b * step] = a * sin[i] + b * cos[i];
  }
}

// out[t] = row t of `rows` times `matrix` times the row.
std::vector<float> quadratic_form(ConstMatrix rows, const float* matrix,
                                  std::vector<float>& scratch) {
  scratch.resize(size_of(rows.rows * rows.columns));
  const Matrix product{scratch.data(), rows.rows, rows.columns, rows.columns};
  multiply(rows, {matrix, rows.columns, rows.columns, rows.columns}, product);
  std::vector<float> out(size_of(rows.rows));
  for (std::int64_t t = 0; t < rows.rows; ++t) {
    float sum = 0.0F;
    for (std::int64_t i = 0; i < rows.columns; ++i) sum += rows.row(t)[i] * product.row(t)[i];
    out[size_of(t)] = sum;
  }
  return out;
}

void softmax(std::vector<float>& values) {
  const float most = *std::max_element(values.begin(), values.end());
  double total = 0;
  for (float& value : values) {
    value = std::exp(value - most);
    total += static_cast<double>(value);
  }
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) / total);
}

}  // namespace

RotationTable RotationTable::build(const RopeAngles& rope, std::int64_t first, std::int64_t last) {
  RotationTable table{.first = first, .last = last, .cos = {}, .sin = {}};
  const std::size_t pairs = rope.radians_per_position.size();
  table.cos.resize(size_of(last - first) * pairs);
  table.sin.resize(table.cos.size());
  for (std::size_t at = 0; at < table.cos.size(); ++at) {
    const auto position = static_cast<double>(first + static_cast<std::int64_t>(at / pairs));
    const double angle = position * rope.radians_per_position[at % pairs];
    table.cos[at] = static_cast<float>(std::cos(angle));
    table.sin[at] = static_cast<float>(std::sin(angle));
  }
  return table;
}

QueryStatistics::QueryStatistics(std::int64_t heads, std::int64_t head_dim)
    : heads_(heads),
      head_dim_(head_dim),
      sums_(size_of(heads * head_dim)),
      grams_(size_of(heads * head_dim * head_dim)) {}

void QueryStatistics::add(const LayerQueries& piece, const CacheShape& shape,
                          const RotationTable& table) {
  const std::int64_t first = std::max(piece.first_token, kExpectedSinks);
  const std::int64_t tokens = piece.last_token - first;
  if (tokens <= 0) return;
  count_ += tokens;
  const auto element_bytes = static_cast<std::int64_t>(dtype_block_bytes(piece.queries.dtype));
  const auto pairs = static_cast<std::int64_t>(shape.rope.radians_per_position.size());
  const auto unscale = static_cast<float>(1.0 / shape.rope.attention_factor);
  parallel_ranges(heads_, tokens * head_dim_ * head_dim_, [&](std::int64_t from, std::int64_t to) {
    std::vector<float> rows(size_of(tokens * head_dim_));
    for (std::int64_t head = from; head < to; ++head) {
      const auto* data =
          static_cast<const std::byte*>(piece.queries.data) +
          ((first - piece.first_token) * piece.queries.stride + head * head_dim_) * element_bytes;
      convert_rows(tokens, head_dim_, {data, piece.queries.dtype, piece.queries.stride},
                   {rows.data(), DType::kF32, head_dim_});
      double* sum = sums_.data() + head * head_dim_;
      for (std::int64_t t = 0; t < tokens; ++t) {
        float* row = rows.data() + t * head_dim_;
        const float* cos = table.cos.data() + (first + t - table.first) * pairs;
        const float* sin = table.sin.data() + (first + t - table.first) * pairs;
        for (std::int64_t i = 0; i < pairs; ++i) {
          const Pair pair = pair_at(shape.rope, i);
          const float a = row[pair.a] * unscale;
          const float b = row[pair.b] * unscale;
          row[pair.a] = a * cos[i] + b * sin[i];
          row[pair.b] = b * cos[i] - a * sin[i];
        }
        for (std::int64_t i = 0; i < head_dim_; ++i) sum[i] += static_cast<double>(row[i]);
      }
      add_gram({rows.data(), tokens, head_dim_, head_dim_},
               {grams_.data() + head * head_dim_ * head_dim_, head_dim_, head_dim_, head_dim_});
    }
  });
}

QueryStatistics::Distribution QueryStatistics::future(std::int64_t head, const RopeAngles& rope,
                                                      std::int64_t tokens) const {
  const std::size_t pairs = rope.radians_per_position.size();
  std::vector<double> cos(pairs);
  std::vector<double> sin(pairs);
  for (std::size_t i = 0; i < pairs; ++i) {
    for (std::int64_t step = 0; step < kExpectedPositions; ++step) {
      const double angle = static_cast<double>(tokens + step) * rope.radians_per_position[i];
      cos[i] += std::cos(angle);
      sin[i] += std::sin(angle);
    }
    cos[i] *= rope.attention_factor / static_cast<double>(kExpectedPositions);
    sin[i] *= rope.attention_factor / static_cast<double>(kExpectedPositions);
  }
  const auto count = static_cast<double>(std::max<std::int64_t>(count_, 1));
  std::vector<double> mean(size_of(head_dim_));
  std::vector<double> covariance(size_of(head_dim_ * head_dim_));
  for (std::int64_t i = 0; i < head_dim_; ++i) {
    mean[size_of(i)] = sums_[size_of(head * head_dim_ + i)] / count;
  }
  for (std::int64_t i = 0; i < head_dim_; ++i) {
    for (std::int64_t j = 0; j < head_dim_; ++j) {
      covariance[size_of(i * head_dim_ + j)] =
          grams_[size_of((head * head_dim_ + i) * head_dim_ + j)] / count -
          mean[size_of(i)] * mean[size_of(j)];
    }
  }
  rotate(rope, cos, sin, mean.data(), 1);
  for (std::int64_t i = 0; i < head_dim_; ++i) {
    rotate(rope, cos, sin, covariance.data() + i * head_dim_, 1);  // C R^T
  }
  for (std::int64_t j = 0; j < head_dim_; ++j) {
    rotate(rope, cos, sin, covariance.data() + j, head_dim_);  // R (C R^T)
  }
  return {{mean.begin(), mean.end()}, {covariance.begin(), covariance.end()}};
}

void QueryStatistics::finish(const CacheShape& shape, const KvPages& pages, std::int64_t tokens,
                             std::span<const float> gram, LayerScores& scores) const {
  const std::int64_t kv_heads = shape.kv_heads;
  const std::int64_t group = heads_ / kv_heads;
  const std::int64_t dim = head_dim_;
  // A prompt of sinks alone has nothing else to compare.
  const std::int64_t sinks = tokens > kExpectedSinks ? kExpectedSinks : 0;
  const std::int64_t rest = tokens - sinks;
  scores.expected.assign(size_of(kv_heads * tokens), 0.0F);
  scores.expected_output.assign(gram.empty() ? 0 : size_of(kv_heads * tokens), 0.0F);
  scores.output_norm.assign(scores.expected_output.size(), 0.0F);
  if (rest == 0) return;
  std::vector<float> keys(size_of(kv_heads * tokens * dim));
  std::vector<float> values(gram.empty() ? 0 : keys.size());
  gather_kv(pages, KvHalf::kKey, tokens, {keys.data(), DType::kF32, dim});
  if (!gram.empty()) gather_kv(pages, KvHalf::kValue, tokens, {values.data(), DType::kF32, dim});
  const auto root = static_cast<float>(std::sqrt(static_cast<double>(dim)));
  parallel_ranges(kv_heads, tokens * dim * dim, [&](std::int64_t from, std::int64_t to) {
    std::vector<float> scratch;
    for (std::int64_t kv_head = from; kv_head < to; ++kv_head) {
      const std::int64_t at = kv_head * tokens + sinks;
      const ConstMatrix k{keys.data() + at * dim, rest, dim, dim};
      for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
        const Distribution queries = future(head, shape.rope, tokens);
        std::vector<float> share = quadratic_form(k, queries.covariance.data(), scratch);
        for (std::int64_t t = 0; t < rest; ++t) {
          float mean = 0.0F;
          for (std::int64_t i = 0; i < dim; ++i) mean += k.row(t)[i] * queries.mean[size_of(i)];
          share[size_of(t)] = mean / root + share[size_of(t)] / (2.0F * static_cast<float>(dim));
        }
        softmax(share);
        std::vector<float> norms;
        if (!gram.empty()) {
          norms = quadratic_form({values.data() + at * dim, rest, dim, dim},
                                 gram.data() + head * dim * dim, scratch);
        }
        const float part = 1.0F / static_cast<float>(group);
        for (std::int64_t t = 0; t < rest; ++t) {
          const std::size_t to_token = size_of(at + t);
          scores.expected[to_token] += part * share[size_of(t)];
          if (norms.empty()) continue;
          const float norm = std::sqrt(std::max(norms[size_of(t)], 0.0F));
          scores.expected_output[to_token] += part * share[size_of(t)] * norm;
          scores.output_norm[to_token] += part * norm;
        }
      }
    }
  });
}

}  // namespace sluice::kernels
