// SPDX-License-Identifier: Apache-2.0
// Components as symbols, and back: what `waterfill` and `predict` have in common.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/stages/parameters.hpp"
#include "kernels/stages/plane.hpp"
#include "kernels/stages/quantize/waterfill/deviation_class.hpp"

namespace sluice::kernels {

inline constexpr std::int32_t kWaterNumberMax = 1 << 30;  // larger ones are cut

// The parameters of both stages.
inline constexpr ParameterRow kWaterStep{"step",
                                         ParameterKind::kNumber,
                                         0.5F,
                                         1e-20F,
                                         1e20F,
                                         "",
                                         "of every component, in the transform's unit"};
inline constexpr ParameterRow kWaterLevels{"levels",
                                           ParameterKind::kList,
                                           0,
                                           1e-3F,
                                           1e3F,
                                           "",
                                           "factors on the step, by token level; 1 if not given"};
inline constexpr ParameterRow kWaterRounding{
    "rounding",
    ParameterKind::kNumber,
    0.35F,
    0.1F,
    0.5F,
    "",
    "added to |x| / step before the floor: less than 0.5 widens the zero"};

// What both sides know of a plane's numbers, but the classes.
struct WaterScale {
  static WaterScale of(const Parameters& parameters, std::uint8_t level);

  float step = 1.0F;
  float rounding = 0.5F;
  const float* offsets = nullptr;  // [classes][kWaterOffsets], the profile's

  float value(int deviation_class, std::int32_t number) const;
  // Every class's value of every symbol: [classes][kWaterSymbols].
  std::vector<float> values() const;
};

// Of each column: where its symbols end.
struct WaterReaches {
  explicit WaterReaches(std::span<const std::uint16_t> classes);
  std::vector<std::int32_t> reach;
  std::vector<std::uint8_t> escape;
};

// sign(x) floor(|x| * inverse + rounding), |x| cut.
void water_numbers(std::span<const float> values, float inverse, float rounding,
                   std::int32_t* numbers);

// Of columns from `first` on. True: a number escapes.
bool water_symbols(std::span<const std::int32_t> numbers, const WaterReaches& reaches,
                   std::size_t first, std::uint8_t* symbols);

}  // namespace sluice::kernels
