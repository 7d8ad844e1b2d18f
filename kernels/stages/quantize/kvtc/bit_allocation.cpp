// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvtc/bit_allocation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <utility>

namespace sluice::kernels {
namespace {

constexpr std::array<std::int32_t, 3> kBits = {2, 4, 8};
constexpr std::int64_t kRangeBits = 32;

// Rows that the errors are measured on, and starts of segments in a layer: with more of either,
// calibration takes longer and the segments hardly move.
constexpr std::int64_t kSampleRows = 256;
constexpr std::int64_t kBlocksMax = 32;

// Rows from everywhere in the caches: every n-th, n doubling whenever the sample is full.
class RowSample {
 public:
  explicit RowSample(std::int64_t columns) : columns_(columns) {}

  void add(const float* row) {
    if (seen_++ % step_ != 0) return;
    if (static_cast<std::int64_t>(values_.size()) == 2 * kSampleRows * columns_) halve();
    if ((seen_ - 1) % step_ == 0) values_.insert(values_.end(), row, row + columns_);
  }
  ConstMatrix rows() const {
    const auto count = columns_ > 0 ? static_cast<std::int64_t>(values_.size()) / columns_ : 0;
    return {values_.data(), count, columns_, columns_};
  }
  std::int64_t columns() const { return columns_; }

 private:
  void halve() {
    for (std::int64_t row = 0; row < kSampleRows; ++row) {
      std::copy_n(values_.begin() + 2 * row * columns_, columns_, values_.begin() + row * columns_);
    }
    values_.resize(static_cast<std::size_t>(kSampleRows * columns_));
    step_ *= 2;
  }

  std::int64_t columns_;
  std::int64_t seen_ = 0;
  std::int64_t step_ = 1;
  std::vector<float> values_;
};

double squared_error(ConstMatrix rows, std::int32_t bits, std::int64_t group_tokens) {
  std::vector<std::uint8_t> symbols(static_cast<std::size_t>(group_tokens * rows.columns));
  std::vector<float> back(symbols.size());
  double error = 0;
  for (std::int64_t first = 0; first < rows.rows; first += group_tokens) {
    const std::int64_t count = std::min(group_tokens, rows.rows - first);
    const ConstMatrix group{rows.row(first), count, rows.columns, rows.stride};
    const Matrix decoded{back.data(), count, rows.columns, rows.columns};
    if (bits > 0) {
      const KvtcRange range = kvtc_range(group, bits);
      kvtc_quantize(group, bits, range, symbols.data(), rows.columns);
      kvtc_dequantize(symbols.data(), rows.columns, range, decoded);
    }
    for (std::int64_t r = 0; r < count; ++r) {
      for (std::int64_t c = 0; c < rows.columns; ++c) {
        const double lost = static_cast<double>(group.row(r)[c]) - decoded.row(r)[c];
        error += lost * lost;
      }
    }
  }
  return error;
}

// best[end][budget]: the least error of the blocks before `end`, and the segment that ends there.
struct Choice {
  double error = std::numeric_limits<double>::infinity();
  std::int32_t begin = 0;
  std::int32_t bits = 0;
  std::int64_t cost = 0;
};

class Allocation {
 public:
  Allocation(ConstMatrix rows, std::int64_t budget_bits, const KvtcSettings& settings)
      : rows_(rows), settings_(settings) {
    block_ = std::max(settings.block_columns, (rows.columns + kBlocksMax - 1) / kBlocksMax);
    blocks_ = (rows.columns + block_ - 1) / block_;
    // All costs are multiples of it: fewer budgets to go through.
    unit_ = std::gcd(kRangeBits, 2 * settings.group_tokens * std::gcd(block_, rows.columns));
    // 8 bits and one range are the most that can be used.
    const std::int64_t useful = rows.columns * settings.group_tokens * 8 + blocks_ * kRangeBits;
    budget_ = std::min(budget_bits, useful) / unit_;
    best_.resize(static_cast<std::size_t>((blocks_ + 1) * (budget_ + 1)));
    for (std::int64_t b = 0; b <= budget_; ++b) at(0, b).error = 0;
  }

  std::vector<KvtcSegment> run() {
    for (std::int64_t end = 1; end <= blocks_; ++end) {
      for (std::int64_t begin = 0; begin < end; ++begin) {
        const ConstMatrix part = columns(begin, end);
        extend(begin, end, 0, squared_error(part, 0, settings_.group_tokens));
        for (const std::int32_t bits : kBits) {
          if (cost(part.columns, bits) > budget_) break;
          extend(begin, end, bits, squared_error(part, bits, settings_.group_tokens));
        }
      }
    }
    return segments();
  }

 private:
  Choice& at(std::int64_t end, std::int64_t budget) {
    return best_[static_cast<std::size_t>(end * (budget_ + 1) + budget)];
  }
  ConstMatrix columns(std::int64_t begin, std::int64_t end) const {
    const std::int64_t last = std::min(end * block_, rows_.columns);
    return {rows_.data + begin * block_, rows_.rows, last - begin * block_, rows_.stride};
  }
  std::int64_t cost(std::int64_t columns, std::int32_t bits) const {
    return bits == 0 ? 0 : (columns * bits * settings_.group_tokens + kRangeBits) / unit_;
  }

  void extend(std::int64_t begin, std::int64_t end, std::int32_t bits, double error) {
    const std::int64_t taken = cost(columns(begin, end).columns, bits);
    for (std::int64_t budget = taken; budget <= budget_; ++budget) {
      const double total = at(begin, budget - taken).error + error;
      Choice& choice = at(end, budget);
      if (total < choice.error) {
        choice = {total, static_cast<std::int32_t>(begin), bits, taken};
      }
    }
  }

  std::vector<KvtcSegment> segments() {
    std::vector<KvtcSegment> result;
    std::int64_t budget = budget_;
    for (std::int64_t end = blocks_; end > 0;) {
      const Choice& choice = at(end, budget);
      const ConstMatrix part = columns(choice.begin, end);
      const auto first = static_cast<std::int32_t>(choice.begin * block_);
      const auto width = static_cast<std::int32_t>(part.columns);
      if (choice.bits == 0 && !result.empty() && result.back().bits == 0) {
        result.back() = {first, result.back().columns + width, 0};
      } else {
        result.push_back({first, width, choice.bits});
      }
      end = choice.begin;
      budget -= choice.cost;
    }
    std::reverse(result.begin(), result.end());
    return result;
  }

  ConstMatrix rows_;
  KvtcSettings settings_;
  std::int64_t block_ = 1;
  std::int64_t blocks_ = 0;
  std::int64_t unit_ = 1;
  std::int64_t budget_ = 0;
  std::vector<Choice> best_;
};

class KvtcCalibration final : public Calibration {
 public:
  explicit KvtcCalibration(const KvtcSettings& settings) : settings_(settings) {}

  Status observe(const Plane& plane, ConstMatrix rows) override {
    if (plane.head_first != 0 || plane.head_count != plane.shape->kv_heads ||
        rows.columns % plane.layer_count != 0) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'kvtc' is calibrated on all heads of a layer");
    }
    const std::int64_t width = rows.columns / plane.layer_count;
    for (std::int64_t i = 0; i < plane.layer_count; ++i) {
      auto& layer = layers_
                        .try_emplace(kvtc_tensor_name(plane, plane.layer_first + i),
                                     Layer{RowSample(width), 0})
                        .first->second;
      const double bits = plane.is_key() ? settings_.bits_key : settings_.bits_value;
      const auto elements =
          static_cast<double>(plane.head_count * plane.shape->head_dim * settings_.group_tokens);
      layer.budget_bits = static_cast<std::int64_t>(std::floor(bits * elements));
      if (layer.sample.columns() != width) {
        return make_error(ErrorCode::kInvalidArgument,
                          "stage 'kvtc' saw a layer's rows in two widths");
      }
      for (std::int64_t row = 0; row < rows.rows; ++row) {
        if (plane.positions[static_cast<std::size_t>(row)] < settings_.skipped_tokens) continue;
        layer.sample.add(rows.row(row) + i * width);
      }
    }
    return {};
  }

  Status finish(Profile& profile) override {
    for (const auto& [name, layer] : layers_) {
      const auto segments = allocate_bits(layer.sample.rows(), layer.budget_bits, settings_);
      static_assert(sizeof(KvtcSegment) == 3 * sizeof(std::int32_t));
      profile.put(name, DType::kI32, {static_cast<std::int64_t>(segments.size()), 3},
                  std::as_bytes(std::span(segments)));
    }
    return {};
  }

 private:
  struct Layer {
    RowSample sample;
    std::int64_t budget_bits;
  };

  KvtcSettings settings_;
  std::map<std::string, Layer> layers_;
};

}  // namespace

std::string kvtc_tensor_name(const Plane& plane, std::int64_t layer) {
  return profile_name("kvtc." + std::string(plane.tables) + ".segments", plane.is_key(), layer);
}

std::vector<KvtcSegment> allocate_bits(ConstMatrix rows, std::int64_t budget_bits,
                                       const KvtcSettings& settings) {
  if (rows.columns == 0) return {};
  return Allocation(rows, std::max<std::int64_t>(budget_bits, 0), settings).run();
}

std::unique_ptr<Calibration> calibrate_kvtc(const KvtcSettings& settings) {
  return std::make_unique<KvtcCalibration>(settings);
}

}  // namespace sluice::kernels
