// SPDX-License-Identifier: Apache-2.0
// Components by how wide they are beside the step: classes a quarter of an octave apart share a
// distribution, whatever plane, level and step they are of.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/stages/profile.hpp"

namespace sluice::kernels {

// Class c stands for deviations of about step * 2^((c + kDeviationClassFirst) / 4).
inline constexpr int kDeviationClassFirst = -20;  // below, a component is practically always 0
inline constexpr int kDeviationClasses = 57;      // above, it is practically uniform
inline constexpr int kWaterSymbols = 256;
inline constexpr int kWaterOffsets = 16;  // numbers from this on lie in their bins' middles

// The symbols of a class: 4 bits where numbers hardly reach 8, which entropy coders decode faster,
// else 8. The middle symbol but one is 0; the last one escapes.
inline constexpr int kNarrowClasses = 23;  // deviations up to 1.5 steps
struct WaterAlphabet {
  std::uint8_t bits;
  std::uint8_t reach;  // symbols 0 to 2 * reach are -reach to reach
  std::uint8_t escape;

  static constexpr WaterAlphabet of(int deviation_class) {
    return deviation_class < kNarrowClasses ? WaterAlphabet{4, 7, 15} : WaterAlphabet{8, 127, 255};
  }
};

// By comparisons with constants: the same on every machine. 0 for what is no number.
int deviation_class(float variance, float step);

// The profile's names for pipeline `tables`.
// I32 [classes][kWaterSymbols]; of narrow classes the first 16 count.
std::string water_frequency_name(std::string_view tables);
std::string water_offset_name(std::string_view tables);  // FP32 [classes][offsets]

// How normalized components (of unit variance) are spread: fills both tensors.
class ComponentSpread {
 public:
  void add(float component);  // divided by its deviation
  // `rounding`: added to |x| / step before the floor. kInvalidArgument: nothing was added.
  Status finish(std::string_view tables, float rounding, Profile& profile) const;

 private:
  static constexpr int kBins = 8192;
  static constexpr float kMost = 32.0F;  // in deviations; what is more counts as this
  std::vector<double> counts_ = std::vector<double>(kBins, 0.0);
  double total_ = 0.0;
};

}  // namespace sluice::kernels
