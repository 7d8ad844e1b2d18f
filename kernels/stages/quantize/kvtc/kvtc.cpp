// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvtc/kvtc.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/stages/learnt_parameters.hpp"
#include "kernels/stages/quantize/kvtc/bit_allocation.hpp"

namespace sluice::kernels {
namespace {

// 20 times less than BF16, before entropy coding: what the paper reaches with it.
constexpr float kBitsDefault = 0.8F;

constexpr std::array kParameters = {
    ParameterRow{"bits", ParameterKind::kNumber, kBitsDefault, 0.01F, 8.5F, "",
                 "per element of the cache, shifts and scales included"},
    ParameterRow{"bits_value", ParameterKind::kNumber, 0, 0, 8.5F, "", "of V; 0: as bits"},
    // Of narrow caches (192 columns a layer) the least error at a given size; 1 for wide ones.
    ParameterRow{"tokens", ParameterKind::kInteger, 4, 1, 1024, "",
                 "that share shifts and scales; the paper's: each its own"},
    ParameterRow{"block", ParameterKind::kInteger, 16, 1, 4096, "",
                 "components between possible changes of bits"},
    kLearntSkipTokens,
};

KvtcSettings settings_of(const Parameters& parameters) {
  KvtcSettings settings;
  settings.bits_key = parameters.number("bits");
  settings.bits_value = parameters.number("bits_value");
  if (settings.bits_value == 0) settings.bits_value = settings.bits_key;
  settings.group_tokens = parameters.integer("tokens");
  settings.block_columns = parameters.integer("block");
  settings.skipped_tokens = parameters.integer("skip_tokens");
  return settings;
}

// The segments of all layers of a plane, and what follows from them.
struct KvtcPlane {
  std::vector<KvtcSegment> segments;
  SymbolShape shape;
  std::int64_t group_tokens = 1;
  std::int64_t ranges = 0;  // segments that have symbols

  std::int64_t groups(std::int64_t rows) const { return (rows + group_tokens - 1) / group_tokens; }
  std::size_t side_bytes(std::int64_t rows) const {
    return static_cast<std::size_t>(groups(rows) * ranges) * sizeof(KvtcRange);
  }
};

// visit(segment, first row, rows) for every segment of every group of rows, groups outside.
template <class Visit>
void for_each_range(const KvtcPlane& plane, std::int64_t rows, Visit visit) {
  for (std::int64_t first = 0; first < rows; first += plane.group_tokens) {
    const std::int64_t count = std::min(plane.group_tokens, rows - first);
    for (const KvtcSegment& segment : plane.segments) visit(segment, first, count);
  }
}

class KvtcEncoder final : public QuantizePlan {
 public:
  explicit KvtcEncoder(KvtcPlane plane) : plane_(std::move(plane)) {}
  const SymbolShape& symbols() const override { return plane_.shape; }
  std::size_t side_bytes_max(std::int64_t rows) const override { return plane_.side_bytes(rows); }

  std::size_t encode(std::int64_t /*row_first*/, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* side) override {
    std::byte* at = side;
    for_each_range(plane_, rows.rows,
                   [&](const KvtcSegment& segment, std::int64_t first, std::int64_t count) {
                     const ConstMatrix part{rows.row(first) + segment.first, count, segment.columns,
                                            rows.stride};
                     std::uint8_t* to = symbols + first * rows.columns + segment.first;
                     if (segment.bits == 0) {
                       for (std::int64_t r = 0; r < count; ++r) {
                         std::fill_n(to + r * rows.columns, segment.columns, std::uint8_t{0});
                       }
                       return;
                     }
                     const KvtcRange range = kvtc_range(part, segment.bits);
                     kvtc_quantize(part, segment.bits, range, to, rows.columns);
                     std::memcpy(at, &range, sizeof range);
                     at += sizeof range;
                   });
    return static_cast<std::size_t>(at - side);
  }

 private:
  KvtcPlane plane_;
};

class KvtcDecoder final : public DequantizePlan {
 public:
  explicit KvtcDecoder(KvtcPlane plane) : plane_(std::move(plane)) {}
  const SymbolShape& symbols() const override { return plane_.shape; }

  Result<std::size_t> decode(std::int64_t /*row_first*/, const std::uint8_t* symbols, Bytes side,
                             Matrix rows) override {
    if (side.size() < plane_.side_bytes(rows.rows)) {
      return make_error(ErrorCode::kCorrupt, "kvtc: shifts and scales are missing");
    }
    std::size_t at = 0;
    for_each_range(
        plane_, rows.rows, [&](const KvtcSegment& segment, std::int64_t first, std::int64_t count) {
          const Matrix part{rows.row(first) + segment.first, count, segment.columns, rows.stride};
          if (segment.bits == 0) {
            for (std::int64_t r = 0; r < count; ++r) std::fill_n(part.row(r), part.columns, 0.0F);
            return;
          }
          KvtcRange range;
          std::memcpy(&range, side.data() + at, sizeof range);
          at += sizeof range;
          kvtc_dequantize(symbols + first * rows.columns + segment.first, rows.columns, range,
                          part);
        });
    return at;
  }

 private:
  KvtcPlane plane_;
};

class KvtcStage final : public QuantizeStage {
 public:
  explicit KvtcStage(const Parameters& parameters) : settings_(settings_of(parameters)) {}

  std::int64_t row_multiple() const override { return settings_.group_tokens; }
  std::unique_ptr<Calibration> calibration() const override { return calibrate_kvtc(settings_); }
  bool needs_all_heads() const override { return true; }

  Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                     ConstMatrix /*all*/,
                                                     ByteWriter& /*side*/) const override {
    auto tables = SLUICE_TRY(tables_of(plane, columns));
    return std::unique_ptr<QuantizePlan>(std::make_unique<KvtcEncoder>(std::move(tables)));
  }
  Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                       ByteReader& /*side*/) const override {
    auto tables = SLUICE_TRY(tables_of(plane, columns));
    return std::unique_ptr<DequantizePlan>(std::make_unique<KvtcDecoder>(std::move(tables)));
  }

 private:
  Result<KvtcPlane> tables_of(const Plane& plane, std::int64_t columns) const {
    if (plane.profile == nullptr) {
      return make_error(ErrorCode::kNotFound,
                        "stage 'kvtc' needs a profile: make one with 'sluice codec calibrate'");
    }
    if (plane.head_count != plane.shape->kv_heads || columns % plane.layer_count != 0) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'kvtc' needs all heads of a layer: selection by head is not for it");
    }
    KvtcPlane result;
    result.group_tokens = settings_.group_tokens;
    const std::int64_t width = columns / plane.layer_count;
    for (std::int64_t i = 0; i < plane.layer_count; ++i) {
      SLUICE_TRY(append_layer(plane, plane.layer_first + i, width, result));
    }
    return result;
  }

  static Status append_layer(const Plane& plane, std::int64_t layer, std::int64_t width,
                             KvtcPlane& result) {
    const std::string name = kvtc_tensor_name(plane, layer);
    const TensorView view = SLUICE_TRY(plane.profile->require(name, DType::kI32, -1));
    const auto before = static_cast<std::int64_t>(result.shape.bits.size());
    const std::int64_t count = view.elements() / 3;
    std::int64_t end = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      KvtcSegment segment;
      std::memcpy(&segment, view.data + i * static_cast<std::int64_t>(sizeof segment),
                  sizeof segment);
      const bool is_known =
          segment.bits == 0 || segment.bits == 2 || segment.bits == 4 || segment.bits == 8;
      if (!is_known || segment.first != end || segment.columns < 1 ||
          segment.columns > width - end) {
        break;  // `end` then stays short of the width
      }
      end += segment.columns;
      segment.first += static_cast<std::int32_t>(before);
      result.segments.push_back(segment);
      result.ranges += segment.bits > 0 ? 1 : 0;
      result.shape.bits.insert(result.shape.bits.end(), static_cast<std::size_t>(segment.columns),
                               static_cast<std::uint8_t>(segment.bits));
    }
    if (end != width || view.elements() % 3 != 0) {
      return make_error(ErrorCode::kCorrupt,
                        "the profile's '" + name + "' does not cover the columns it is used for");
    }
    for (std::int64_t c = before; c < before + width; ++c) {
      result.shape.context.push_back(static_cast<std::uint16_t>(std::min<std::int64_t>(c, 0xffff)));
    }
    return {};
  }

  KvtcSettings settings_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<KvtcStage>(parameters));
}

}  // namespace

StageRow kvtc_row() {
  return {.id = 220,
          .name = "kvtc",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = kParameters,
          .summary = "bits allotted to components by dynamic programming (KVTC, arXiv 2511.01815)",
          .create = create};
}

}  // namespace sluice::kernels
