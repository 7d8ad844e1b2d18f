// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/delta_statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string_view>

#include "kernels/elementwise/kv_pages.hpp"

namespace sluice::runtime {
namespace {

constexpr std::array<DeltaForm, 6> kForms{{{"values", false, 1},
                                           {"sequential", false, 0},
                                           {"sequential of 4", false, 4},
                                           {"sequential of 10", false, 10},
                                           {"anchor of 4", true, 4},
                                           {"anchor of 10", true, 10}}};
constexpr std::int64_t kRunColumns = 32;  // that share an INT4 scale
constexpr float kInt4Most = 15.0F;
constexpr int kStepsMost = 127;  // further multiples count as this one

double entropy_bits(std::span<const std::uint32_t> counts) {
  double total = 0.0;
  double weighted = 0.0;
  for (const std::uint32_t count : counts) {
    if (count == 0) continue;
    total += count;
    weighted += count * std::log2(static_cast<double>(count));
  }
  return total == 0.0 ? 0.0 : std::max(0.0, std::log2(total) - weighted / total);
}

struct Channel {
  std::int64_t count = 0;
  double sum = 0.0;
  double squares = 0.0;
  std::array<std::uint32_t, 2 * kStepsMost + 1> steps{};

  double variance() const {
    if (count == 0) return 0.0;
    const double mean = sum / static_cast<double>(count);
    return std::max(0.0, squares / static_cast<double>(count) - mean * mean);
  }
};

struct Tally {
  std::array<std::uint32_t, 16> int4{};
  std::vector<Channel> channels;

  double variance() const {
    double sum = 0.0;
    for (const Channel& channel : channels) sum += channel.variance();
    return channels.empty() ? 0.0 : sum / static_cast<double>(channels.size());
  }
};

float range_of(std::span<const float> run) {
  const auto [least, most] = std::minmax_element(run.begin(), run.end());
  return *most - *least;
}

template <class Visit>
void for_each_run(std::span<const float> row, Visit visit) {
  for (std::size_t first = 0; first < row.size(); first += kRunColumns) {
    visit(row.subspan(first, std::min<std::size_t>(kRunColumns, row.size() - first)));
  }
}

void count_int4(std::span<const float> row, std::array<std::uint32_t, 16>& counts) {
  for_each_run(row, [&](std::span<const float> run) {
    const float least = *std::min_element(run.begin(), run.end());
    const float scale = range_of(run) / kInt4Most;
    for (const float value : run) {
      const float symbol = scale > 0.0F ? std::rint((value - least) / scale) : 0.0F;
      ++counts[static_cast<std::size_t>(std::clamp(symbol, 0.0F, kInt4Most))];
    }
  });
}

void count_row(std::span<const float> row, float step, Tally& tally) {
  count_int4(row, tally.int4);
  for (std::size_t i = 0; i < row.size(); ++i) {
    Channel& channel = tally.channels[i];
    ++channel.count;
    channel.sum += static_cast<double>(row[i]);
    channel.squares += static_cast<double>(row[i]) * static_cast<double>(row[i]);
    const float multiple = step > 0.0F ? std::rint(row[i] / step) : 0.0F;
    const float held = std::clamp(multiple, -1.0F * kStepsMost, 1.0F * kStepsMost);
    ++channel.steps[static_cast<std::size_t>(static_cast<int>(held) + kStepsMost)];
  }
}

float int4_step(std::span<const float> rows, std::size_t columns) {
  double squares = 0.0;
  double runs = 0.0;
  for (std::size_t first = 0; first < rows.size(); first += columns) {
    for_each_run(rows.subspan(first, columns), [&](std::span<const float> run) {
      const double scale = static_cast<double>(range_of(run) / kInt4Most);
      squares += scale * scale;
      runs += 1.0;
    });
  }
  return runs == 0.0 ? 0.0F : static_cast<float>(std::sqrt(squares / runs));
}

// [token][kv_head][head_dim] of the counted tokens.
std::vector<float> rows_of(const DumpedCache& cache, std::int64_t layer, bool is_key) {
  const kernels::KvPages pages = cache.pages(layer);
  const std::int64_t heads = pages.kv_heads;
  const std::int64_t dim = pages.head_dim;
  std::vector<float> gathered(static_cast<std::size_t>(heads * cache.tokens() * dim));
  kernels::gather_kv(pages, is_key ? kernels::KvHalf::kKey : kernels::KvHalf::kValue,
                     cache.tokens(), {gathered.data(), DType::kF32, dim});
  std::vector<float> rows;
  rows.reserve(gathered.size());
  for (std::int64_t token = kDeltaSkipTokens; token < cache.tokens(); ++token) {
    for (std::int64_t head = 0; head < heads; ++head) {
      const float* from = gathered.data() + (head * cache.tokens() + token) * dim;
      rows.insert(rows.end(), from, from + dim);
    }
  }
  return rows;
}

void count_form(const DeltaForm& form, std::span<const float> rows, std::size_t columns, float step,
                Tally& tally) {
  const auto tokens = static_cast<std::int64_t>(rows.size() / columns);
  std::vector<float> difference(columns);
  for (std::int64_t token = 0; token < tokens; ++token) {
    const auto row = rows.subspan(static_cast<std::size_t>(token) * columns, columns);
    if (form.group == 1) {
      count_row(row, step, tally);
      continue;
    }
    const std::int64_t in_group = form.group == 0 ? token : token % form.group;
    if (in_group == 0) continue;
    const std::int64_t reference = form.is_anchor ? token - in_group : token - 1;
    const auto from = rows.subspan(static_cast<std::size_t>(reference) * columns, columns);
    std::transform(row.begin(), row.end(), from.begin(), difference.begin(), std::minus<>());
    count_row(difference, step, tally);
  }
}

}  // namespace

std::span<const DeltaForm> delta_forms() { return kForms; }

struct DeltaMeter::Parts {
  struct Plane {
    bool has_step = false;
    float step = 0.0F;
    std::array<Tally, kForms.size()> tallies;
  };
  std::vector<Plane> planes;  // by layer, K before V
  std::size_t columns;
};

DeltaMeter::DeltaMeter(const kernels::CacheShape& shape) : parts_(std::make_unique<Parts>()) {
  parts_->columns = static_cast<std::size_t>(shape.kv_heads * shape.head_dim);
  parts_->planes.resize(static_cast<std::size_t>(shape.layers) * 2);
  for (Parts::Plane& plane : parts_->planes) {
    for (Tally& tally : plane.tallies) tally.channels.resize(parts_->columns);
  }
}
DeltaMeter::DeltaMeter(DeltaMeter&&) noexcept = default;
DeltaMeter& DeltaMeter::operator=(DeltaMeter&&) noexcept = default;
DeltaMeter::~DeltaMeter() = default;

void DeltaMeter::observe(const DumpedCache& cache) {
  for (std::size_t i = 0; i < parts_->planes.size(); ++i) {
    Parts::Plane& plane = parts_->planes[i];
    const auto rows = rows_of(cache, static_cast<std::int64_t>(i / 2), i % 2 == 0);
    if (rows.empty()) continue;
    if (!plane.has_step) plane.step = int4_step(rows, parts_->columns);
    plane.has_step = true;
    for (std::size_t form = 0; form < kForms.size(); ++form) {
      count_form(kForms[form], rows, parts_->columns, plane.step, plane.tallies[form]);
    }
  }
}

std::vector<DeltaStatistics> DeltaMeter::finish() const {
  std::vector<DeltaStatistics> all;
  for (std::size_t i = 0; i < parts_->planes.size(); ++i) {
    const Parts::Plane& plane = parts_->planes[i];
    const double values = plane.tallies[0].variance();
    for (std::size_t form = 0; form < kForms.size(); ++form) {
      const Tally& tally = plane.tallies[form];
      DeltaStatistics one;
      one.form = kForms[form].name;
      one.is_key = i % 2 == 0;
      one.layer = static_cast<std::int64_t>(i / 2);
      one.variance = tally.variance();
      one.variance_ratio =
          values > 0.0 ? one.variance / values : std::numeric_limits<double>::quiet_NaN();
      one.int4_bits = entropy_bits(tally.int4);
      for (const Channel& channel : tally.channels) {
        one.elements += channel.count;
        one.step_bits += entropy_bits(channel.steps) / static_cast<double>(tally.channels.size());
      }
      all.push_back(one);
    }
  }
  return all;
}

std::string delta_table(std::span<const DeltaStatistics> statistics) {
  std::string table =
      "| | K variance | K INT4 entropy | K bits | V variance | V INT4 entropy | V bits |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const DeltaForm& form : kForms) {
    table += fmt::format("| {} |", form.name);
    for (const bool is_key : {true, false}) {
      double log_ratio = 0.0;
      double least = std::numeric_limits<double>::infinity();
      double most = 0.0;
      double int4 = 0.0;
      double bits = 0.0;
      double layers = 0.0;
      for (const DeltaStatistics& one : statistics) {
        // Where values do not vary there is nothing to compare.
        if (std::string_view(one.form) != form.name || one.is_key != is_key ||
            !(one.variance_ratio > 0.0))
          continue;
        log_ratio += std::log(one.variance_ratio);
        least = std::min(least, one.variance_ratio);
        most = std::max(most, one.variance_ratio);
        int4 += one.int4_bits;
        bits += one.step_bits;
        layers += 1.0;
      }
      if (layers == 0.0) {
        table += " - | - | - |";
        continue;
      }
      table += fmt::format(" {:.2f} ({:.2f} to {:.2f}) | {:.2f} | {:.2f} |",
                           std::exp(log_ratio / layers), least, most, int4 / layers, bits / layers);
    }
    table += '\n';
  }
  return table;
}

std::string delta_json(std::span<const DeltaStatistics> statistics) {
  std::string json = "[";
  for (const DeltaStatistics& one : statistics) {
    json += fmt::format(
        "{}\n  {{\"form\": \"{}\", \"half\": \"{}\", \"layer\": {}, \"elements\": {}, "
        "\"variance\": {:.6g}, \"variance_ratio\": {}, \"int4_bits\": {:.4f}, \"step_bits\": "
        "{:.4f}}}",
        json.size() == 1 ? "" : ",", one.form, one.is_key ? "k" : "v", one.layer, one.elements,
        one.variance,
        std::isfinite(one.variance_ratio) ? fmt::format("{:.6g}", one.variance_ratio) : "null",
        one.int4_bits, one.step_bits);
  }
  return json + "\n]\n";
}

}  // namespace sluice::runtime
