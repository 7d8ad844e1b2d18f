// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/graded/graded.hpp"

#include <array>
#include <memory>

namespace sluice::kernels {
namespace {

constexpr std::array<ParameterRow, 1> kRows{
    {{"groups", ParameterKind::kInteger, 3.0F, 1.0F, static_cast<float>(kLevelsMax), "",
      "equal parts of the model's depth, with levels 1, 2, ..."}}};

// Section 5.2: later layers bear coarser quantization; the paper has thirds. Tokens that are sent
// as they are stay so.
class Graded final : public SelectStage {
 public:
  explicit Graded(std::int64_t groups) : groups_(groups) {}

  Status select(const SelectInput& input, SelectState& state) const override {
    const auto level = static_cast<std::uint8_t>(1 + input.layer * groups_ / input.shape->layers);
    for (std::uint8_t& each : state.levels.level) {
      if (each != kLevelDropped && each != kLevelExact) each = level;
    }
    return {};
  }

 private:
  std::int64_t groups_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<Graded>(parameters.integer("groups")));
}

}  // namespace

StageRow graded_row() {
  return {32,
          "graded",
          StageRole::kSelect,
          1,
          kRows,
          "levels by depth, coarser with it (CacheGen, 2310.07240)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
