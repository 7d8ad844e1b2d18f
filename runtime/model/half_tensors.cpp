// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/half_tensors.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <string>

#include "kernels/core/dtype.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t kLargeElements = 1024;
constexpr double kLossMost = 1.0 / 1024.0;

// Squared lengths of a row or column, and of what rounding changes in it.
struct Line {
  double length = 0.0;
  double change = 0.0;

  bool is_kept() const { return change <= kLossMost * kLossMost * length; }
};

bool is_well_rounded(std::span<const float> values, std::span<const float> rounded,
                     std::size_t columns) {
  std::vector<Line> by_column(columns);
  for (std::size_t first = 0; first < values.size(); first += columns) {
    Line row;
    for (std::size_t column = 0; column < columns; ++column) {
      const double value = values[first + column];
      const double change = value - static_cast<double>(rounded[first + column]);
      if (!std::isfinite(change)) return false;
      row.length += value * value;
      row.change += change * change;
      by_column[column].length += value * value;
      by_column[column].change += change * change;
    }
    if (!row.is_kept()) return false;
  }
  return std::all_of(by_column.begin(), by_column.end(),
                     [](const Line& line) { return line.is_kept(); });
}

}  // namespace

std::uint16_t f16_from_f32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return sign | 0x7e00U;   // no number
  if (magnitude >= 0x477ff000U) return sign | 0x7c00U;  // rounds to 65,536 or more
  if (magnitude < 0x38800000U) {
    // Below 2^-14: a whole number of 2^-24.
    const float steps = std::nearbyint(std::bit_cast<float>(magnitude) * 0x1p24F);
    return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(steps));
  }
  const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

void round_to_halves(kernels::Profile& profile) {
  for (const std::string& name : profile.names()) {
    const TensorView tensor = *profile.find(name);
    if (tensor.dtype != DType::kF32 || tensor.elements() < kLargeElements) continue;
    const std::span<const float> values(tensor.as<float>(),
                                        static_cast<std::size_t>(tensor.elements()));
    std::vector<float> rounded;
    rounded.reserve(values.size());
    for (const float value : values) rounded.push_back(f32_from_f16(f16_from_f32(value)));
    const auto rank = static_cast<std::size_t>(tensor.rank);
    const auto columns = static_cast<std::size_t>(tensor.shape[rank - 1]);
    if (!is_well_rounded(values, rounded, columns)) continue;
    profile.put(name, DType::kF32, {tensor.shape.begin(), tensor.shape.begin() + rank},
                std::as_bytes(std::span(rounded)));
  }
}

std::vector<std::uint16_t> exact_halves(const TensorView& tensor) {
  std::vector<std::uint16_t> halves;
  if (tensor.dtype != DType::kF32) return halves;
  const std::span<const float> values(tensor.as<float>(),
                                      static_cast<std::size_t>(tensor.elements()));
  halves.reserve(values.size());
  for (const float value : values) {
    const std::uint16_t half = f16_from_f32(value);
    const float back = f32_from_f16(half);
    if (std::bit_cast<std::uint32_t>(back) != std::bit_cast<std::uint32_t>(value)) return {};
    halves.push_back(half);
  }
  return halves;
}

}  // namespace sluice::runtime
