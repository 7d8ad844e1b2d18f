// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/bottleneck/bottleneck.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

namespace sluice::kernels {
namespace {

constexpr std::array<ParameterRow, 2> kRows{
    {{"layers", ParameterKind::kList, 0.0F, 0.0F, 65535.0F, "",
      "which; none: those of the profile's fragile_layers"},
     {"otherwise", ParameterKind::kList, 0.0F, 0.0F, 65535.0F, "",
      "which, where no profile says what is fragile; none: that is an error"}}};

class Bottleneck final : public SelectStage {
 public:
  Bottleneck(std::vector<float> layers, std::vector<float> otherwise)
      : layers_(std::move(layers)), otherwise_(std::move(otherwise)) {}

  Status select(const SelectInput& input, SelectState& state) const override {
    if (!SLUICE_TRY(is_fragile(input))) return {};
    for (std::uint8_t& level : state.levels.level) {
      if (level != kLevelDropped) level = kLevelExact;
    }
    return {};
  }

 private:
  Result<bool> is_fragile(const SelectInput& input) const {
    if (!layers_.empty()) return is_among(layers_, input.layer);
    const bool is_diagnosed =
        input.profile != nullptr && input.profile->find(kFragileLayers).has_value();
    if (!is_diagnosed && !otherwise_.empty()) return is_among(otherwise_, input.layer);
    if (input.profile == nullptr) {
      return make_error(ErrorCode::kNotFound,
                        "stage 'bottleneck' names no layers, and the model has no profile");
    }
    const TensorView fragile = SLUICE_TRY(input.profile->require(kFragileLayers, DType::kI32, -1));
    const auto* begin = fragile.as<std::int32_t>();
    return std::find(begin, begin + fragile.elements(), static_cast<std::int32_t>(input.layer)) !=
           begin + fragile.elements();
  }

  static bool is_among(const std::vector<float>& layers, std::int64_t layer) {
    return std::find(layers.begin(), layers.end(), static_cast<float>(layer)) != layers.end();
  }

  std::vector<float> layers_;
  std::vector<float> otherwise_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const auto layers = parameters.list("layers");
  const auto otherwise = parameters.list("otherwise");
  return std::unique_ptr<Stage>(
      std::make_unique<Bottleneck>(std::vector<float>(layers.begin(), layers.end()),
                                   std::vector<float>(otherwise.begin(), otherwise.end())));
}

}  // namespace

StageRow bottleneck_row() {
  return {31,
          "bottleneck",
          StageRole::kSelect,
          1,
          kRows,
          "fragile layers are sent as they are: binary mixed precision",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
