// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/reconstruction.hpp"

#include <algorithm>
#include <cstddef>

#include "kernels/core/check.hpp"
#include "kernels/stages/select/attention_mass.hpp"

namespace sluice::kernels {

ReconstructionCollector::ReconstructionCollector(std::int64_t layers, std::int64_t kv_heads,
                                                 std::int64_t tokens)
    : kv_heads_(kv_heads),
      tokens_(tokens),
      peaks_(static_cast<std::size_t>(layers),
             std::vector<float>(static_cast<std::size_t>(kv_heads * tokens))) {}

void ReconstructionCollector::begin_part(std::int64_t first, std::int64_t last) {
  SLUICE_CHECK(first >= 0 && first <= last && last <= tokens_, "a part lies within the prompt");
  part_first_ = first;
  part_last_ = last;
}

Status ReconstructionCollector::observe(const LayerQueries& piece) {
  if (piece.layer < 0 || piece.layer >= static_cast<std::int64_t>(peaks_.size()) ||
      piece.pages.kv_heads != kv_heads_ || piece.heads % kv_heads_ != 0 ||
      piece.first_token < tokens_ || piece.last_token < piece.first_token) {
    return make_error(ErrorCode::kInvalidArgument,
                      "attention of a repeated prompt is of another model, or not behind the "
                      "prompt");
  }
  const auto keys = static_cast<std::size_t>(piece.last_token);
  std::vector<float> sum(static_cast<std::size_t>(kv_heads_) * keys);
  std::vector<float> peak(sum.size());
  add_attention_mass({.pages = piece.pages,
                      .first_token = piece.first_token,
                      .last_token = piece.last_token,
                      .heads = piece.heads,
                      .queries = piece.queries,
                      .lse = piece.lse,
                      .sum = sum.data(),
                      .peak = peak.data(),
                      .stride = piece.last_token});
  float* peaks = peaks_[static_cast<std::size_t>(piece.layer)].data();
  for (std::int64_t head = 0; head < kv_heads_; ++head) {
    const float* found = peak.data() + head * piece.last_token;
    for (std::int64_t t = part_first_; t < part_last_; ++t) {
      peaks[head * tokens_ + t] = std::max(peaks[head * tokens_ + t], found[t]);
    }
  }
  return {};
}

const std::vector<float>& ReconstructionCollector::peaks(std::int64_t layer) const {
  return peaks_[static_cast<std::size_t>(layer)];
}

}  // namespace sluice::kernels
