// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/bottleneck/bottleneck.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

namespace sluice::kernels {
namespace {

constexpr std::array<ParameterRow, 1> kRows{
    {{"layers", ParameterKind::kList, 0.0F, 0.0F, 65535.0F, "",
      "which; none: those of the profile's fragile_layers"}}};

// The profile's tensor: a list of layers, INT32.
constexpr const char* kFragileLayers = "fragile_layers";

class Bottleneck final : public SelectStage {
 public:
  explicit Bottleneck(std::vector<float> layers) : layers_(std::move(layers)) {}

  Status select(const SelectInput& input, SelectState& state) const override {
    if (!SLUICE_TRY(is_fragile(input))) return {};
    for (std::uint8_t& level : state.levels.level) {
      if (level != kLevelDropped) level = kLevelExact;
    }
    return {};
  }

 private:
  Result<bool> is_fragile(const SelectInput& input) const {
    if (!layers_.empty()) {
      return std::find(layers_.begin(), layers_.end(), static_cast<float>(input.layer)) !=
             layers_.end();
    }
    if (input.profile == nullptr) {
      return make_error(ErrorCode::kNotFound,
                        "stage 'bottleneck' names no layers, and the model has no profile");
    }
    const TensorView fragile = SLUICE_TRY(input.profile->require(kFragileLayers, DType::kI32, -1));
    const auto* begin = fragile.as<std::int32_t>();
    return std::find(begin, begin + fragile.elements(), static_cast<std::int32_t>(input.layer)) !=
           begin + fragile.elements();
  }

  std::vector<float> layers_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const auto layers = parameters.list("layers");
  return std::unique_ptr<Stage>(
      std::make_unique<Bottleneck>(std::vector<float>(layers.begin(), layers.end())));
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
