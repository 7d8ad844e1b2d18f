// SPDX-License-Identifier: Apache-2.0
// Rows that begin every prompt alike, because a chat template does.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "kernels/stages/matrix.hpp"
#include "kernels/stages/profile.hpp"

namespace sluice::kernels {

// Rows of the same tokens differ by the order of sums at most: their squared distance is below this
// share of their squared length. Rows of other tokens are far beyond.
inline constexpr float kSameShare = 1e-3F;

// `b` null: the squared length of `a`.
float squared_distance(const float* a, const float* b, std::int64_t count);

class KnownRowsLearner {
 public:
  // `tokens`: more are never known.
  explicit KnownRowsLearner(std::int64_t tokens) : tokens_(tokens) {}

  // Rows at `positions` (ascending) of one cache, for the profile's tensor `name`. They may be a
  // part of the cache's tokens (a level): what is missing ends the prefix there, but for the first
  // cache, whose parts come together.
  void observe(const std::string& name, std::span<const std::int32_t> positions, ConstMatrix rows);

  std::int64_t caches() const;
  // As many rows as every tensor agrees on in every cache.
  std::int64_t common() const;
  // Every tensor's first rows, FP32 [count][columns]; `count` is at most common().
  void finish(std::int64_t count, Profile& profile) const;

 private:
  struct Row {
    std::vector<float> values;
    bool is_same = true;
    std::int64_t seen = 0;
  };
  struct Learnt {
    std::int64_t columns = 0;
    std::map<std::int32_t, Row> rows;  // by position
  };
  std::int64_t tokens_;
  std::map<std::string, Learnt> learnt_;
};

}  // namespace sluice::kernels
