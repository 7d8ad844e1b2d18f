// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/knorm/knorm.hpp"

#include <cmath>

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows({.budget = 0.5F});

class KNorm final : public ScoredSelect {
 public:
  using ScoredSelect::ScoredSelect;

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    const std::vector<float> keys = gather_layer(input, KvHalf::kKey);
    const auto dim = static_cast<std::size_t>(input.shape->head_dim);
    std::vector<float> scores(keys.size() / dim);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      float sum = 0.0F;
      for (std::size_t d = 0; d < dim; ++d) sum += keys[i * dim + d] * keys[i * dim + d];
      scores[i] = -std::sqrt(sum);
    }
    return scores;
  }
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options_by_layer("knorm", parameters));
  return std::unique_ptr<Stage>(std::make_unique<KNorm>(options));
}

}  // namespace

StageRow knorm_row() {
  return {9, "knorm", StageRole::kSelect, 1, kRows, "keys of small norm (2406.11430)", create};
}

}  // namespace sluice::kernels
