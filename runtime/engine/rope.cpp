// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/rope.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/core/check.hpp"

namespace sluice::runtime {
namespace {

// Llama 3.1: long wavelengths are divided by `factor`, short ones kept, those between blended.
double llama3_frequency(const RopeSpec& spec, double frequency) {
  const auto context = static_cast<double>(spec.original_context);
  const double rotations = context * frequency / (2.0 * std::numbers::pi);
  if (rotations > spec.high_freq_factor) return frequency;
  if (rotations < spec.low_freq_factor) return frequency / spec.factor;
  const double span = spec.high_freq_factor - spec.low_freq_factor;
  const double smooth = span > 0 ? (rotations - spec.low_freq_factor) / span : 1.0;
  return (1.0 - smooth) * frequency / spec.factor + smooth * frequency;
}

// The dimension whose pair makes `rotations` turns over the original context.
double yarn_dimension(const RopeSpec& spec, double rotations) {
  const double turns =
      static_cast<double>(spec.original_context) / (rotations * 2.0 * std::numbers::pi);
  return static_cast<double>(spec.dims) * std::log(turns) / (2.0 * std::log(spec.base));
}

void scale_yarn(const RopeSpec& spec, std::vector<double>& frequencies) {
  const double low = std::max(std::floor(yarn_dimension(spec, spec.beta_fast)), 0.0);
  double high =
      std::min(std::ceil(yarn_dimension(spec, spec.beta_slow)), static_cast<double>(spec.dims - 1));
  if (low == high) high += 0.001;  // transformers' guard against a ramp without width
  for (std::size_t pair = 0; pair < frequencies.size(); ++pair) {
    const double ramp = std::clamp((static_cast<double>(pair) - low) / (high - low), 0.0, 1.0);
    frequencies[pair] = frequencies[pair] / spec.factor * ramp + frequencies[pair] * (1.0 - ramp);
  }
}

}  // namespace

RopeFrequencies RopeFrequencies::build(const RopeSpec& spec,
                                       const std::optional<TensorView>& rope_factors) {
  const auto pairs = static_cast<std::size_t>(spec.dims / 2);
  RopeFrequencies result;
  auto& frequencies = result.radians_per_position;
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const double exponent = 2.0 * static_cast<double>(pair) / static_cast<double>(spec.dims);
    frequencies.push_back(std::pow(spec.base, -exponent));
  }
  if (rope_factors) {
    SLUICE_CHECK(rope_factors->dtype == DType::kF32 &&
                     rope_factors->elements() == static_cast<std::int64_t>(pairs),
                 "rope factors are one FP32 per rotated pair");
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      frequencies[pair] /= static_cast<double>(rope_factors->as<float>()[pair]);
    }
  }
  switch (spec.scaling) {
    case RopeScaling::kNone:
      break;
    case RopeScaling::kLinear:
      for (double& frequency : frequencies) frequency /= spec.factor;
      break;
    case RopeScaling::kLlama3:
      if (rope_factors) break;  // they are this scaling already
      for (double& frequency : frequencies) frequency = llama3_frequency(spec, frequency);
      break;
    case RopeScaling::kYarn:
      scale_yarn(spec, frequencies);
      result.attention_factor = spec.attention_factor;
      if (result.attention_factor == 0.0) {
        result.attention_factor = spec.factor <= 1.0 ? 1.0 : 0.1 * std::log(spec.factor) + 1.0;
      }
      break;
  }
  return result;
}

RopeTable RopeTable::build(const ModelSpec& spec, std::optional<TensorView> rope_factors,
                           std::int64_t positions) {
  const auto frequencies = RopeFrequencies::build(spec.rope, rope_factors);
  RopeTable table;
  table.positions_ = positions;
  table.pairs_ = static_cast<std::int64_t>(frequencies.radians_per_position.size());
  const auto floats = static_cast<std::size_t>(positions * table.pairs_);
  table.cos_.reserve(floats);
  table.sin_.reserve(floats);
  for (std::int64_t position = 0; position < positions; ++position) {
    for (const double frequency : frequencies.radians_per_position) {
      const double angle = static_cast<double>(position) * frequency;
      table.cos_.push_back(static_cast<float>(std::cos(angle) * frequencies.attention_factor));
      table.sin_.push_back(static_cast<float>(std::sin(angle) * frequencies.attention_factor));
    }
  }
  return table;
}

}  // namespace sluice::runtime
