// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/waterfill/water_symbols.hpp"

#include <algorithm>
#include <cmath>

namespace sluice::kernels {
namespace {

constexpr float kNumberMax = 0x1p30F;
constexpr float kValueMax = 0x1.fep127F;  // BF16's largest number

}  // namespace

WaterScale WaterScale::of(const Parameters& parameters, std::uint8_t level) {
  WaterScale scale;
  scale.step = parameters.number("step");
  scale.rounding = parameters.number("rounding");
  const auto levels = parameters.list("levels");
  if (!levels.empty()) {
    const std::size_t at = std::max<std::size_t>(level, 1) - 1;
    scale.step *= levels[std::min(at, levels.size() - 1)];
  }
  return scale;
}

float WaterScale::value(int deviation_class, std::int32_t number) const {
  const std::int32_t size = std::abs(number);
  float at = static_cast<float>(size);
  if (size < kWaterOffsets) at += offsets[deviation_class * kWaterOffsets + size];
  at = std::min(at * step, kValueMax);
  return number < 0 ? -at : at;
}

std::vector<float> WaterScale::values() const {
  std::vector<float> all;
  all.reserve(std::size_t{kDeviationClasses} * kWaterSymbols);
  for (int c = 0; c < kDeviationClasses; ++c) {
    for (int symbol = 0; symbol < kWaterSymbols; ++symbol) {
      all.push_back(value(c, symbol - WaterAlphabet::of(c).reach));
    }
  }
  return all;
}

WaterReaches::WaterReaches(std::span<const std::uint16_t> classes) {
  for (const std::uint16_t of_column : classes) {
    const WaterAlphabet alphabet = WaterAlphabet::of(of_column);
    reach.push_back(alphabet.reach);
    escape.push_back(alphabet.escape);
  }
}

// Loops without a branch, which the compiler turns into vectors.
void water_numbers(std::span<const float> values, float inverse, float rounding,
                   std::int32_t* numbers) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float size = std::fabs(values[i]) * inverse + rounding;
    const auto number = static_cast<std::int32_t>(size < kNumberMax ? size : kNumberMax);
    numbers[i] = values[i] < 0.0F ? -number : number;
  }
}

bool water_symbols(std::span<const std::int32_t> numbers, const WaterReaches& reaches,
                   std::size_t first, std::uint8_t* symbols) {
  std::uint32_t escapes = 0;
  const std::int32_t* reach = reaches.reach.data() + first;
  const std::uint8_t* escape = reaches.escape.data() + first;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::int32_t shifted = numbers[i] + reach[i];
    const bool is_beyond = shifted < 0 || shifted > 2 * reach[i];
    escapes |= static_cast<std::uint32_t>(is_beyond);
    symbols[i] = is_beyond ? escape[i] : static_cast<std::uint8_t>(shifted);
  }
  return escapes != 0;
}

}  // namespace sluice::kernels
