// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/keydiff/keydiff.hpp"

#include <cmath>

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows({.budget = 0.5F});

float norm_of(std::span<const float> x) {
  float sum = 0.0F;
  for (const float value : x) sum += value * value;
  return std::sqrt(sum);
}

// Section 3: the anchor is the mean of the keys' directions; a key's score is how little it is
// like the anchor: minus their cosine.
class KeyDiff final : public ScoredSelect {
 public:
  using ScoredSelect::ScoredSelect;

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    const std::vector<float> keys = gather_layer(input, KvHalf::kKey);
    const auto dim = static_cast<std::size_t>(input.shape->head_dim);
    const auto tokens = static_cast<std::size_t>(input.tokens);
    std::vector<float> scores(keys.size() / dim);
    for (std::size_t head = 0; head < static_cast<std::size_t>(input.shape->kv_heads); ++head) {
      std::vector<float> anchor(dim);
      const auto key = [&](std::size_t t) {
        return std::span(keys).subspan((head * tokens + t) * dim, dim);
      };
      for (std::size_t t = 0; t < tokens; ++t) {
        const float norm = norm_of(key(t));
        if (norm == 0.0F) continue;
        for (std::size_t d = 0; d < dim; ++d) anchor[d] += key(t)[d] / norm;
      }
      const float anchor_norm = norm_of(anchor);
      for (std::size_t t = 0; t < tokens; ++t) {
        const float size = norm_of(key(t)) * anchor_norm;
        float dot = 0.0F;
        for (std::size_t d = 0; d < dim; ++d) dot += key(t)[d] * anchor[d];
        scores[head * tokens + t] = size == 0.0F ? 0.0F : -dot / size;
      }
    }
    return scores;
  }
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options_by_layer("keydiff", parameters));
  return std::unique_ptr<Stage>(std::make_unique<KeyDiff>(options));
}

}  // namespace

StageRow keydiff_row() {
  return {10,    "keydiff", StageRole::kSelect,
          1,     kRows,     "keys far from the mean direction (2504.15364)",
          create};
}

}  // namespace sluice::kernels
