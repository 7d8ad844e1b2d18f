// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/cache_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "kernels/core/dtype.hpp"

namespace sluice::runtime {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double relative(double error, double energy) {
  if (error == 0.0) return 0.0;
  return std::sqrt(error / energy);
}

// One head of one layer of a cache with a single block.
struct HeadRows {
  HeadRows(const DumpedCache& cache, std::int64_t layer, std::int64_t head) {
    const kernels::KvPages pages = cache.pages(layer);
    dim = pages.head_dim;
    const auto* start = reinterpret_cast<const std::uint16_t*>(pages.blocks[0]);
    keys = start + head * cache.tokens() * dim;
    values = keys + pages.kv_heads * cache.tokens() * dim;
  }
  const std::uint16_t* keys;
  const std::uint16_t* values;
  std::int64_t dim;
};

// Squared errors and squared originals of the rows at `positions`.
void add_errors(const std::uint16_t* decoded, const std::uint16_t* original, std::int64_t dim,
                std::span<const std::int32_t> positions, double& error, double& energy) {
  for (std::size_t row = 0; row < positions.size(); ++row) {
    for (std::int64_t i = 0; i < dim; ++i) {
      const double was = f32_from_bf16(original[positions[row] * dim + i]);
      const double is = f32_from_bf16(decoded[static_cast<std::int64_t>(row) * dim + i]);
      error += (is - was) * (is - was);
      energy += was * was;
    }
  }
}

// Attention of one query over rows with `position(row)` <= the query's.
template <class Position>
std::vector<double> attend(const HeadRows& head, const float* query, std::int64_t rows,
                           std::int64_t at, Position position) {
  std::vector<float> scores(static_cast<std::size_t>(rows),
                            -std::numeric_limits<float>::infinity());
  float most = -std::numeric_limits<float>::infinity();
  const float scale = 1.0F / std::sqrt(static_cast<float>(head.dim));
  for (std::int64_t row = 0; row < rows; ++row) {
    if (position(row) > at) continue;
    float score = 0.0F;
    for (std::int64_t i = 0; i < head.dim; ++i) {
      score += query[i] * f32_from_bf16(head.keys[row * head.dim + i]);
    }
    scores[static_cast<std::size_t>(row)] = score * scale;
    most = std::max(most, score * scale);
  }
  std::vector<double> out(static_cast<std::size_t>(head.dim), 0.0);
  double total = 0.0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float score = scores[static_cast<std::size_t>(row)];
    if (!(score > -std::numeric_limits<float>::infinity())) continue;
    const double weight = std::exp(static_cast<double>(score - most));
    total += weight;
    for (std::int64_t i = 0; i < head.dim; ++i) {
      out[static_cast<std::size_t>(i)] +=
          weight * static_cast<double>(f32_from_bf16(head.values[row * head.dim + i]));
    }
  }
  if (total > 0.0) {
    for (double& value : out) value /= total;
  }
  return out;
}

double attention_error(const DecodedCache& decoded, const DumpedCache& original,
                       std::int64_t layer) {
  if (original.windows.empty()) return kUnknown;
  const DumpedWindow& window = original.windows[static_cast<std::size_t>(layer)];
  const std::int64_t heads = original.heads();
  const std::int64_t dim = original.shape().head_dim;
  const auto rows = static_cast<std::int64_t>(window.lse.size()) / heads;
  const std::int64_t first = std::max<std::int64_t>(0, rows - kReportQueries);
  const std::int64_t group = heads / original.shape().kv_heads;
  double error = 0.0;
  double energy = 0.0;
  for (std::int64_t head = 0; head < heads; ++head) {
    const std::int64_t kv_head = head / group;
    const HeadRows was(original, layer, kv_head);
    const HeadRows is(decoded.cache, layer, kv_head);
    const auto& positions =
        decoded.positions[static_cast<std::size_t>(layer * original.shape().kv_heads + kv_head)];
    const auto kept = static_cast<std::int64_t>(positions.size());
    for (std::int64_t row = first; row < rows; ++row) {
      const float* query = window.queries.data() + (row * heads + head) * dim;
      const std::int64_t at = original.tokens() - rows + row;
      const auto full = attend(was, query, original.tokens(), at, [](std::int64_t t) { return t; });
      const auto left = attend(is, query, kept, at, [&positions](std::int64_t r) {
        return std::int64_t{positions[static_cast<std::size_t>(r)]};
      });
      for (std::size_t i = 0; i < full.size(); ++i) {
        error += (full[i] - left[i]) * (full[i] - left[i]);
        energy += full[i] * full[i];
      }
    }
  }
  return relative(error, energy);
}

struct Sums {
  double key_error = 0.0, key_energy = 0.0, value_error = 0.0, value_energy = 0.0;
};

void add_layer(const DecodedCache& decoded, const DumpedCache& original, std::int64_t layer,
               Sums& sums) {
  const kernels::CacheShape& shape = original.shape();
  for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
    const HeadRows was(original, layer, head);
    const HeadRows is(decoded.cache, layer, head);
    const auto& positions =
        decoded.positions[static_cast<std::size_t>(layer * shape.kv_heads + head)];
    add_errors(is.keys, was.keys, shape.head_dim, positions, sums.key_error, sums.key_energy);
    add_errors(is.values, was.values, shape.head_dim, positions, sums.value_error,
               sums.value_energy);
  }
}

// Bytes and checksums of each layer; a group's frame counts for its layers alike.
void add_frames(const DecodedCache& decoded, CacheReport& report) {
  std::vector<double> bytes(report.layers.size(), 0.0);
  for (const kernels::FrameInfo& frame : decoded.frames) {
    report.bytes += frame.frame_bytes;
    for (std::int64_t i = 0; i < frame.layer_count; ++i) {
      const auto layer = static_cast<std::size_t>(frame.layer_first + i);
      bytes[layer] +=
          static_cast<double>(frame.frame_bytes) / static_cast<double>(frame.layer_count);
      std::uint64_t& checksum = report.layers[layer].checksum;
      checksum = std::rotl(checksum, 1) ^ frame.checksum;
    }
  }
  const double raw = static_cast<double>(report.bytes_raw) /
                     static_cast<double>(std::max<std::size_t>(report.layers.size(), 1));
  for (std::size_t layer = 0; layer < report.layers.size(); ++layer) {
    report.layers[layer].ratio = raw / bytes[layer];
    report.layers[layer].bits_per_element = 16.0 * bytes[layer] / raw;
  }
}

}  // namespace

CacheReport report_cache(const DecodedCache& decoded, const DumpedCache* original) {
  const kernels::CacheShape& shape = decoded.cache.shape();
  const std::int64_t tokens = decoded.cache.tokens();
  CacheReport report;
  if (!decoded.frames.empty()) report.pipeline = decoded.frames.front().pipeline;
  report.bytes_raw =
      static_cast<std::size_t>(shape.layers * tokens * shape.kv_heads * shape.head_dim) * 4;
  Sums all;
  double kept_all = 0.0;
  for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
    LayerReport of_layer;
    of_layer.layer = layer;
    double kept = 0.0;
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      kept += static_cast<double>(
          decoded.positions[static_cast<std::size_t>(layer * shape.kv_heads + head)].size());
    }
    kept_all += kept;
    of_layer.kept_share = tokens == 0 ? 1.0 : kept / static_cast<double>(shape.kv_heads * tokens);
    of_layer.key_error = of_layer.value_error = of_layer.attention_error = kUnknown;
    if (original != nullptr) {
      Sums sums;
      add_layer(decoded, *original, layer, sums);
      of_layer.key_error = relative(sums.key_error, sums.key_energy);
      of_layer.value_error = relative(sums.value_error, sums.value_energy);
      of_layer.attention_error = attention_error(decoded, *original, layer);
      all.key_error += sums.key_error;
      all.key_energy += sums.key_energy;
      all.value_error += sums.value_error;
      all.value_energy += sums.value_energy;
    }
    report.layers.push_back(of_layer);
  }
  add_frames(decoded, report);
  const double rows = static_cast<double>(shape.layers * shape.kv_heads * tokens);
  report.kept_share = tokens == 0 ? 1.0 : kept_all / rows;
  report.ratio = static_cast<double>(report.bytes_raw) / static_cast<double>(report.bytes);
  report.bits_per_element = 16.0 / report.ratio;
  report.key_error = original == nullptr ? kUnknown : relative(all.key_error, all.key_energy);
  report.value_error = original == nullptr ? kUnknown : relative(all.value_error, all.value_energy);
  for (const LayerReport& layer : report.layers) report.attention_error += layer.attention_error;
  report.attention_error /= static_cast<double>(std::max<std::size_t>(report.layers.size(), 1));
  return report;
}

std::string report_table(const CacheReport& report) {
  const auto percent = [](double share) {
    return std::isnan(share) ? std::string("-") : fmt::format("{:.2f} %", 100.0 * share);
  };
  std::string table =
      fmt::format("{:>5} {:>9} {:>8} {:>8} {:>9} {:>9} {:>10}  {}\n", "layer", "kept", "bits",
                  "ratio", "K error", "V error", "attention", "checksum");
  for (const LayerReport& layer : report.layers) {
    table += fmt::format("{:>5} {:>9} {:>8.3f} {:>7.2f}x {:>9} {:>9} {:>10}  {:016x}\n",
                         layer.layer, percent(layer.kept_share), layer.bits_per_element,
                         layer.ratio, percent(layer.key_error), percent(layer.value_error),
                         percent(layer.attention_error), layer.checksum);
  }
  table += fmt::format("{:>5} {:>9} {:>8.3f} {:>7.2f}x {:>9} {:>9} {:>10}\n", "all",
                       percent(report.kept_share), report.bits_per_element, report.ratio,
                       percent(report.key_error), percent(report.value_error),
                       percent(report.attention_error));
  return table;
}

}  // namespace sluice::runtime
