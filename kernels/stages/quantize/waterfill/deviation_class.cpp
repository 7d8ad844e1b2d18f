// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/waterfill/deviation_class.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sluice::kernels {
namespace {

// 2^(1/4) and 2^(1/2), correctly rounded.
constexpr double kQuarterOctave = 1.1892071150027210667;
constexpr double kHalfOctave = 1.4142135623730950488;

// 2^(quarters / 4), by products alone.
double power_of_quarters(int quarters) {
  double value = 1.0;
  for (; quarters >= 4; quarters -= 4) value *= 2.0;
  for (; quarters < 0; quarters += 4) value *= 0.5;
  if (quarters >= 2) value *= kHalfOctave;
  if (quarters % 2 == 1) value *= kQuarterOctave;
  return value;
}

// A class spans a quarter of an octave: its table is the mean over points across it.
constexpr int kPoints = 5;
// What was never seen stays possible.
constexpr double kFloor = 1e-7;
constexpr int kPrecision = 14;  // of the profile's frequencies, as the coders expect

void normalize(const std::vector<double>& weights, std::int32_t* frequencies) {
  double total = 0.0;
  for (const double weight : weights) total += weight;
  const int scale = 1 << kPrecision;
  std::int32_t sum = 0;
  std::size_t most = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double share = weights[i] / total * (scale - static_cast<int>(weights.size()));
    frequencies[i] = 1 + static_cast<std::int32_t>(share);
    sum += frequencies[i];
    if (weights[i] > weights[most]) most = i;
  }
  frequencies[most] += scale - sum;
}

}  // namespace

int deviation_class(float variance, float step) {
  // ratio^2 against 2^((j + 1/2) / 2): 2^(1/4) and 2^(3/4) times powers of two.
  const double ratio = static_cast<double>(variance) / (static_cast<double>(step) * step);
  if (!(ratio > 0.0)) return 0;
  int found = 0;
  while (found + 1 < kDeviationClasses) {
    // The upper end of class `found`: quarters (found + first) * 2 + 1 of the squared ratio.
    const int quarters = 2 * (found + kDeviationClassFirst) + 1;
    if (ratio < power_of_quarters(quarters)) break;
    ++found;
  }
  return found;
}

std::string water_frequency_name(std::string_view tables) {
  return "waterfill." + std::string(tables) + ".frequency";
}
std::string water_offset_name(std::string_view tables) {
  return "waterfill." + std::string(tables) + ".offset";
}

void ComponentSpread::add(float component) {
  const float size = std::min(std::fabs(component), kMost);
  const auto bin = static_cast<int>(size * (static_cast<float>(kBins) / kMost));
  counts_[static_cast<std::size_t>(std::min(bin, kBins - 1))] += 1.0;
  total_ += 1.0;
}

Status ComponentSpread::finish(std::string_view tables, float rounding, Profile& profile) const {
  if (total_ == 0.0) {
    return make_error(ErrorCode::kInvalidArgument, "'waterfill' saw no components to learn from");
  }
  std::vector<std::int32_t> frequencies(static_cast<std::size_t>(kDeviationClasses) *
                                        kWaterSymbols);
  std::vector<float> offsets(static_cast<std::size_t>(kDeviationClasses) * kWaterOffsets, 0.0F);
  for (int c = 0; c < kDeviationClasses; ++c) {
    const WaterAlphabet alphabet = WaterAlphabet::of(c);
    std::vector<double> weights(std::size_t{1} << alphabet.bits, kFloor * total_);
    std::vector<double> sums(kWaterOffsets, 0.0);
    std::vector<double> counts(kWaterOffsets, 0.0);
    for (int point = 0; point < kPoints; ++point) {
      // From -1/8 to 1/8 of an octave around the class's middle, by straight steps.
      const double around = 1.0 + 0.0833 * (static_cast<double>(point) - 2.0) / 2.0;
      const double ratio = power_of_quarters(c + kDeviationClassFirst) * around;
      for (int bin = 0; bin < kBins; ++bin) {
        const double weight = counts_[static_cast<std::size_t>(bin)];
        if (weight == 0.0) continue;
        const double x = (static_cast<double>(bin) + 0.5) * kMost / kBins * ratio;
        const double number = std::floor(x + static_cast<double>(rounding));
        if (number > alphabet.reach) {
          weights[alphabet.escape] += weight;
          continue;
        }
        const auto size = static_cast<int>(number);
        // Both signs alike.
        weights[static_cast<std::size_t>(alphabet.reach + size)] += weight / 2.0;
        weights[static_cast<std::size_t>(alphabet.reach - size)] += weight / 2.0;
        if (size < kWaterOffsets) {
          sums[static_cast<std::size_t>(size)] += weight * (x - number);
          counts[static_cast<std::size_t>(size)] += weight;
        }
      }
    }
    normalize(weights, frequencies.data() + static_cast<std::size_t>(c) * kWaterSymbols);
    for (int size = 1; size < kWaterOffsets; ++size) {
      const auto at = static_cast<std::size_t>(size);
      if (counts[at] <= 0.0) continue;
      offsets[static_cast<std::size_t>(c) * kWaterOffsets + at] =
          static_cast<float>(std::clamp(sums[at] / counts[at], -0.4, 0.4));
    }
  }
  const auto bytes = [](const auto& values) {
    return Bytes(reinterpret_cast<const std::byte*>(values.data()), values.size() * 4);
  };
  profile.put(water_frequency_name(tables), DType::kI32, {kDeviationClasses, kWaterSymbols},
              bytes(frequencies));
  profile.put(water_offset_name(tables), DType::kF32, {kDeviationClasses, kWaterOffsets},
              bytes(offsets));
  return {};
}

}  // namespace sluice::kernels
