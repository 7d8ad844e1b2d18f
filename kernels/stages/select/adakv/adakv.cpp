// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/adakv/adakv.hpp"

#include <array>
#include <memory>

namespace sluice::kernels {
namespace {

constexpr std::array<ParameterRow, 1> kRows{{{"floor", ParameterKind::kNumber, 0.2F, 0.0F, 1.0F, "",
                                              "part of its even budget that every head keeps"}}};

// Section 4: the heads' budgets follow from a common ranking of all their scores, with a floor for
// each. The selector that comes next does it.
class AdaKv final : public SelectStage {
 public:
  explicit AdaKv(float floor) : floor_(floor) {}

  bool needs_all_heads() const override { return true; }

  Status select(const SelectInput& /*input*/, SelectState& state) const override {
    state.shares_heads = true;
    state.head_floor = floor_;
    return {};
  }

 private:
  float floor_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<AdaKv>(parameters.number("floor")));
}

}  // namespace

StageRow adakv_row() {
  return {22,
          "adakv",
          StageRole::kSelect,
          1,
          kRows,
          "heads share a layer's budget, with a floor (2407.11550)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
