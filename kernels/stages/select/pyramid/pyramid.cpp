// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/pyramid/pyramid.hpp"

#include <algorithm>
#include <array>
#include <memory>

namespace sluice::kernels {
namespace {

constexpr std::array<ParameterRow, 2> kRows{
    {{"beta", ParameterKind::kNumber, 20.0F, 1.0F, 1000.0F, "",
      "the last layer gets 1 / beta of the mean budget"},
     {"budget", ParameterKind::kNumber, 0.0F, 0.0F, 1.0F, "",
      "the selector's share, if the first layers shall not get more than there is"}}};

// Section 3.2: budgets (beyond what is always kept) fall linearly from 2 - 1 / beta of the mean to
// 1 / beta. The authors' code does not give a layer more than all tokens, and lets the others have
// the rest; that needs to know the mean.
class Pyramid final : public SelectStage {
 public:
  Pyramid(double beta, double budget) : beta_(beta), budget_(budget) {}

  Status select(const SelectInput& input, SelectState& state) const override {
    double least = 1.0 / beta_;
    double most = 2.0 - least;
    if (budget_ > 0 && most > 1.0 / budget_) {
      most = 1.0 / budget_;
      least = 2.0 - most;
    }
    const auto last = static_cast<double>(std::max<std::int64_t>(input.shape->layers - 1, 1));
    const double depth = static_cast<double>(input.layer) / last;
    const double scale = input.shape->layers == 1 ? 1.0 : most - (most - least) * depth;
    state.budget_scale *= static_cast<float>(scale);
    return {};
  }

 private:
  double beta_;
  double budget_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(
      std::make_unique<Pyramid>(static_cast<double>(parameters.number("beta")),
                                static_cast<double>(parameters.number("budget"))));
}

}  // namespace

StageRow pyramid_row() {
  return {20,
          "pyramid",
          StageRole::kSelect,
          1,
          kRows,
          "budgets fall linearly with depth (2406.02069)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
