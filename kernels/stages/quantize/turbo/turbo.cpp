// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/turbo/turbo.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {
namespace {

// A coordinate of a random unit vector in d dimensions has the density (1 - x^2)^((d-3)/2) up to a
// factor. These are Lloyd-Max levels for sqrt(d) times it, d = 128, found by iterating the
// centroids of the cells (midpoints of neighbours as borders) on a grid of 200,001 points to a
// change below 1e-12. For d = 64 the outermost level would be 1.6 % smaller, for the normal
// distribution 1.6 % larger: one table serves all heads.
constexpr std::array kLevels2 = {0.45246F, 1.50522F};
constexpr std::array kLevels3 = {0.24444F, 0.75340F, 1.33669F, 2.13156F};
constexpr std::array kLevels4 = {0.12796F, 0.38666F, 0.65401F, 0.93757F,
                                 1.24827F, 1.60484F, 2.04639F, 2.68925F};

constexpr std::size_t kLanes = 32;  // partial sums of a norm
constexpr std::size_t kHalfMax = kLevels4.size();
constexpr float kScaleMax = 0x1.fep127F;  // BF16's largest number
constexpr float kScaleMin = 0x1p-126F;    // below it a scale counts as 0

constexpr std::array kParameters = {
    ParameterRow{"bits", ParameterKind::kInteger, 4, 2, 4, "", "2, 3 or 4"},
    ParameterRow{"group", ParameterKind::kInteger, 0, 0, 65536, "",
                 "channels that share a norm; 0: a head's"},
};

struct TurboPlane {
  std::size_t columns = 0;
  std::size_t group = 1;
  std::int32_t bits = 4;
  SymbolShape shape;

  std::size_t row_groups() const { return (columns + group - 1) / group; }
  std::size_t side_bytes(std::int64_t rows) const {
    return static_cast<std::size_t>(rows) * row_groups() * sizeof(std::uint16_t);
  }
};

// The root of the mean square as BF16: 32 partial sums in double, folded by halves.
std::uint16_t scale_of(const float* values, std::size_t count) {
  std::array<double, kLanes> sums{};
  for (std::size_t first = 0; first < count; first += kLanes) {
    const std::size_t lanes = std::min(kLanes, count - first);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const auto value = static_cast<double>(values[first + lane]);
      sums[lane] += value * value;
    }
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  const auto scale = static_cast<float>(
      std::min(std::sqrt(sums[0] / static_cast<double>(count)), double{kScaleMax}));
  return bf16_from_f32(scale >= kScaleMin ? scale : 0.0F);
}

// Symbols in the order of their levels, the most negative one first. The number of borders is a
// constant, so that the compiler can take several values at a time.
template <std::uint32_t kHalf>
void encode_levels(const float* levels, const float* values, std::size_t count, float inverse,
                   std::uint8_t* symbols) {
  std::array<float, kHalf> borders{};
  for (std::uint32_t m = 1; m < kHalf; ++m) borders[m] = 0.5F * (levels[m - 1] + levels[m]);
  for (std::size_t i = 0; i < count; ++i) {
    const float coordinate = values[i] * inverse;
    const float size = std::fabs(coordinate);
    std::uint32_t index = 0;
    for (std::uint32_t m = 1; m < kHalf; ++m) index += size > borders[m] ? 1U : 0U;
    symbols[i] = static_cast<std::uint8_t>(coordinate < 0.0F ? kHalf - 1 - index : kHalf + index);
  }
}

void encode_group(const TurboPlane& plane, const float* values, std::size_t count, float scale,
                  std::uint8_t* symbols) {
  const float* levels = turbo_levels(plane.bits).data();
  const float inverse = scale > 0.0F ? 1.0F / scale : 0.0F;
  if (plane.bits == 2) return encode_levels<2>(levels, values, count, inverse, symbols);
  if (plane.bits == 3) return encode_levels<4>(levels, values, count, inverse, symbols);
  encode_levels<8>(levels, values, count, inverse, symbols);
}

void decode_group(const TurboPlane& plane, const std::uint8_t* symbols, std::size_t count,
                  float scale, float* values) {
  const auto levels = turbo_levels(plane.bits);
  const std::size_t half = levels.size();
  std::array<float, 2 * kHalfMax> table{};
  for (std::size_t m = 0; m < half; ++m) {
    const float value = std::min(levels[m] * scale, kScaleMax);
    table[half + m] = value;
    table[half - 1 - m] = -value;
  }
  for (std::size_t i = 0; i < count; ++i) values[i] = table[symbols[i] % (2 * half)];
}

class TurboEncoder final : public QuantizePlan {
 public:
  explicit TurboEncoder(TurboPlane plane) : plane_(std::move(plane)) {}
  const SymbolShape& symbols() const override { return plane_.shape; }
  std::size_t side_bytes_max(std::int64_t rows) const override { return plane_.side_bytes(rows); }
  std::size_t encode(std::int64_t /*row_first*/, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* side) override {
    for (std::int64_t row = 0; row < rows.rows; ++row, symbols += plane_.columns) {
      for (std::size_t first = 0; first < plane_.columns; first += plane_.group) {
        const std::size_t count = std::min(plane_.group, plane_.columns - first);
        const std::uint16_t scale = scale_of(rows.row(row) + first, count);
        std::memcpy(side, &scale, sizeof scale);
        side += sizeof scale;
        encode_group(plane_, rows.row(row) + first, count, f32_from_bf16(scale), symbols + first);
      }
    }
    return plane_.side_bytes(rows.rows);
  }

 private:
  TurboPlane plane_;
};

class TurboDecoder final : public DequantizePlan {
 public:
  explicit TurboDecoder(TurboPlane plane) : plane_(std::move(plane)) {}
  const SymbolShape& symbols() const override { return plane_.shape; }
  Result<std::size_t> decode(std::int64_t /*row_first*/, const std::uint8_t* symbols, Bytes side,
                             Matrix rows) override {
    const std::size_t bytes = plane_.side_bytes(rows.rows);
    if (side.size() < bytes) return make_error(ErrorCode::kCorrupt, "turbo: norms are missing");
    const std::byte* from = side.data();
    for (std::int64_t row = 0; row < rows.rows; ++row, symbols += plane_.columns) {
      for (std::size_t first = 0; first < plane_.columns; first += plane_.group) {
        const std::size_t count = std::min(plane_.group, plane_.columns - first);
        std::uint16_t scale = 0;
        std::memcpy(&scale, from, sizeof scale);
        from += sizeof scale;
        decode_group(plane_, symbols + first, count, f32_from_bf16(scale), rows.row(row) + first);
      }
    }
    return bytes;
  }

 private:
  TurboPlane plane_;
};

class TurboStage final : public QuantizeStage {
 public:
  explicit TurboStage(const Parameters& parameters)
      : bits_(static_cast<std::int32_t>(parameters.integer("bits"))),
        group_(parameters.integer("group")) {}

  Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                     ConstMatrix /*all*/,
                                                     ByteWriter& /*side*/) const override {
    return std::unique_ptr<QuantizePlan>(std::make_unique<TurboEncoder>(of(plane, columns)));
  }
  Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                       ByteReader& /*side*/) const override {
    return std::unique_ptr<DequantizePlan>(std::make_unique<TurboDecoder>(of(plane, columns)));
  }

 private:
  TurboPlane of(const Plane& plane, std::int64_t columns) const {
    TurboPlane result;
    result.columns = static_cast<std::size_t>(columns);
    result.group = static_cast<std::size_t>(group_ != 0 ? group_ : plane.shape->head_dim);
    result.bits = bits_;
    result.shape.bits.assign(result.columns, static_cast<std::uint8_t>(bits_));
    result.shape.context.assign(result.columns, 0);  // rotated coordinates are all alike
    return result;
  }

  std::int32_t bits_;
  std::int64_t group_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<TurboStage>(parameters));
}

}  // namespace

std::span<const float> turbo_levels(std::int32_t bits) {
  if (bits == 2) return kLevels2;
  if (bits == 3) return kLevels3;
  return kLevels4;
}

StageRow turbo_row() {
  return {
      .id = 205,
      .name = "turbo",
      .role = StageRole::kQuantize,
      .version = 1,
      .parameters = kParameters,
      .summary = "norm and Lloyd-Max levels, after hadamard with signs (TurboQuant, 2504.19874)",
      .create = create};
}

}  // namespace sluice::kernels
