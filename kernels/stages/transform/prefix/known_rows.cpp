// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/prefix/known_rows.hpp"

#include <algorithm>

namespace sluice::kernels {

float squared_distance(const float* a, const float* b, std::int64_t count) {
  float sum = 0.0F;
  for (std::int64_t i = 0; i < count; ++i) {
    const float difference = a[i] - (b == nullptr ? 0.0F : b[i]);
    sum += difference * difference;
  }
  return sum;
}

void KnownRowsLearner::observe(const std::string& name, std::span<const std::int32_t> positions,
                               ConstMatrix rows) {
  Learnt& learnt = learnt_[name];
  learnt.columns = rows.columns;
  for (std::int64_t row = 0; row < rows.rows; ++row) {
    const std::int32_t position = positions[static_cast<std::size_t>(row)];
    if (position >= tokens_) break;
    Row& at = learnt.rows[position];
    ++at.seen;
    if (at.values.empty()) {
      at.values.assign(rows.row(row), rows.row(row) + rows.columns);
      continue;
    }
    const float share = kSameShare * squared_distance(at.values.data(), nullptr, rows.columns);
    at.is_same &= squared_distance(rows.row(row), at.values.data(), rows.columns) <= share;
  }
}

std::int64_t KnownRowsLearner::caches() const {
  std::int64_t caches = 0;
  for (const auto& [name, learnt] : learnt_) {
    for (const auto& [position, row] : learnt.rows) caches = std::max(caches, row.seen);
  }
  return caches;
}

std::int64_t KnownRowsLearner::common() const {
  const std::int64_t all = caches();
  std::int64_t common = tokens_;
  for (const auto& [name, learnt] : learnt_) {
    std::int64_t reached = 0;
    for (const auto& [position, row] : learnt.rows) {
      if (position != reached || !row.is_same || row.seen != all) break;
      ++reached;
    }
    common = std::min(common, reached);
  }
  return common;
}

void KnownRowsLearner::finish(std::int64_t count, Profile& profile) const {
  for (const auto& [name, learnt] : learnt_) {
    std::vector<float> kept;
    for (const auto& [position, row] : learnt.rows) {
      if (position >= count) break;
      kept.insert(kept.end(), row.values.begin(), row.values.end());
    }
    profile.put(name, DType::kF32, {count, learnt.columns}, std::as_bytes(std::span(kept)));
  }
}

}  // namespace sluice::kernels
