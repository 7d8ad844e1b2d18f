// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/squeeze/squeeze.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace sluice::kernels {
namespace {

constexpr std::array<ParameterRow, 1> kRows{{{"share", ParameterKind::kNumber, 0.35F, 0.01F, 1.0F,
                                              "", "budget that the least important layers keep"}}};

// The sum of squared distances to the mean of sorted[first, last).
double spread(const std::vector<double>& sorted, std::size_t first, std::size_t last) {
  double mean = 0;
  for (std::size_t i = first; i < last; ++i) mean += sorted[i];
  mean /= static_cast<double>(last - first);
  double sum = 0;
  for (std::size_t i = first; i < last; ++i) sum += (sorted[i] - mean) * (sorted[i] - mean);
  return sum;
}

// Where the third of three groups begins. In one dimension the best k-means groups are runs of the
// sorted values, and few enough to try all: no random start, one answer.
double least_of_third_group(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double best = std::numeric_limits<double>::infinity();
  std::size_t third = values.size();
  for (std::size_t a = 1; a + 1 < values.size(); ++a) {
    for (std::size_t b = a + 1; b < values.size(); ++b) {
      const double sum =
          spread(values, 0, a) + spread(values, a, b) + spread(values, b, values.size());
      if (sum < best) {
        best = sum;
        third = b;
      }
    }
  }
  return third == values.size() ? std::numeric_limits<double>::infinity() : values[third];
}

// Section 4.2: layers are put in three groups by the cosine between the residual stream before and
// after attention. The most similar group is least important: it keeps `share` of its budget, and
// the others get the rest in equal parts.
class Squeeze final : public SelectStage {
 public:
  explicit Squeeze(double share) : share_(share) {}

  ScoreNeeds score_needs() const override { return {.similarity = true}; }
  bool needs_all_layers() const override { return true; }

  Status plan_layers(const SelectInput& /*request*/, std::span<const LayerScores> scores,
                     std::span<float> budget_scales, LayerScores& /*shared*/) const override {
    if (scores.size() != budget_scales.size()) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'squeeze' needs the similarity of every layer");
    }
    std::vector<double> similarity;
    for (const LayerScores& layer : scores) {
      if (!std::isfinite(layer.similarity)) {
        return make_error(ErrorCode::kInvalidArgument, "a layer's similarity is not a number");
      }
      similarity.push_back(static_cast<double>(layer.similarity));
    }
    const double least = least_of_third_group(similarity);
    const auto similar = std::count_if(similarity.begin(), similarity.end(),
                                       [&](double value) { return value >= least; });
    const auto layers = static_cast<double>(similarity.size());
    const auto few = static_cast<double>(similar);
    if (similar == 0 || few == layers) return {};
    const double others = (layers - few * share_) / (layers - few);
    for (std::size_t layer = 0; layer < similarity.size(); ++layer) {
      budget_scales[layer] *= static_cast<float>(similarity[layer] >= least ? share_ : others);
    }
    return {};
  }

  Status select(const SelectInput& /*input*/, SelectState& /*state*/) const override { return {}; }

 private:
  double share_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(
      std::make_unique<Squeeze>(static_cast<double>(parameters.number("share"))));
}

}  // namespace

StageRow squeeze_row() {
  return {21,
          "squeeze",
          StageRole::kSelect,
          1,
          kRows,
          "layers that change the residual stream little give up budget (2404.04793)",
          create,
          /*runs_on_cuda=*/true};
}

}  // namespace sluice::kernels
