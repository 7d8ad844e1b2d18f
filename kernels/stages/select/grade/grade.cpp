// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/grade/grade.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace sluice::kernels {
namespace {

// Less attention than this is none: in FP32, sums of exponentials end about here.
constexpr float kImportanceLeast = 1e-9F;

constexpr std::array<ParameterRow, 2> kRows{
    {{"strength", ParameterKind::kNumber, 0.25F, 0.0F, 4.0F, "",
      "octaves of the step for each octave of importance"},
     {"octaves", ParameterKind::kNumber, 0.5F, 0.0625F, 4.0F, "",
      "of the step from one level to the next, as the quantizer's `levels` have it"}}};

class Grade final : public SelectStage {
 public:
  Grade(double strength, double octaves) : strength_(strength), octaves_(octaves) {}

  // Acts on what a selector before it scored and kept; exact tokens stay exact and do not count.
  Status select(const SelectInput& input, SelectState& state) const override {
    TokenLevels& levels = state.levels;
    if (levels.importance.size() != levels.level.size()) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'grade' grades by importance: a selector must come before");
    }
    std::vector<double> logarithms(levels.level.size());
    for (std::int64_t head = 0; head < levels.heads; ++head) {
      const auto first = static_cast<std::size_t>(head * levels.tokens);
      const std::size_t last = first + static_cast<std::size_t>(levels.tokens);
      double sum = 0.0;
      double count = 0.0;
      for (std::size_t i = first; i < last; ++i) {
        if (levels.level[i] == kLevelDropped || levels.level[i] == kLevelExact) continue;
        if (!std::isfinite(levels.importance[i])) {
          return make_error(
              ErrorCode::kInvalidArgument,
              "an importance in layer " + std::to_string(input.layer) + " is not a number");
        }
        logarithms[i] = portable_log2(std::max(levels.importance[i], kImportanceLeast));
        sum += logarithms[i];
        count += 1.0;
      }
      for (std::size_t i = first; i < last; ++i) {
        if (levels.level[i] == kLevelDropped || levels.level[i] == kLevelExact) continue;
        const double coarser = strength_ * (sum / count - logarithms[i]) / octaves_;
        const double level = std::rint(coarser) + kGradeNeutral;
        levels.level[i] =
            static_cast<std::uint8_t>(std::clamp(level, 1.0, static_cast<double>(kLevelsMax)));
      }
    }
    return {};
  }

 private:
  double strength_;
  double octaves_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(
      std::make_unique<Grade>(static_cast<double>(parameters.number("strength")),
                              static_cast<double>(parameters.number("octaves"))));
}

}  // namespace

double portable_log2(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  int exponent = static_cast<int>(bits >> 23) - 127;
  double mantissa = std::bit_cast<float>((bits & 0x7fffffU) | 0x3f800000U);
  if (bits >> 23 == 0) {  // subnormal: mantissa * 2^-149
    exponent = 0;
    mantissa = static_cast<double>(bits & 0x7fffffU);
    for (; mantissa >= 2.0; mantissa *= 0.5) ++exponent;
    exponent -= 149;
  }
  // ln m = 2 artanh((m - 1) / (m + 1)), with m in [1, 2).
  const double y = (mantissa - 1.0) / (mantissa + 1.0);
  const double square = y * y;
  double series = 0.0;
  for (int power = 13; power >= 1; power -= 2) series = series * square + 1.0 / power;
  constexpr double kTwoByLn2 = 2.8853900817779268147;
  return exponent + kTwoByLn2 * y * series;
}

StageRow grade_row() {
  return {34,
          "grade",
          StageRole::kSelect,
          1,
          kRows,
          "levels by the logarithm of importance: coarser steps, nothing dropped",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
