// SPDX-License-Identifier: Apache-2.0
// A panel of keys and the queries it meets; apart from its source, which is compiled once for each
// vector width and must not define it anew each time.
#pragma once

#include <cstdint>

namespace sluice::kernels {

// A multiple of two vectors of any width that is in use; 64 keys of 128 elements are 32 KB.
inline constexpr std::int64_t kMassPanelKeys = 64;

struct MassPanel {
  const float* keys;     // [head_dim][kMassPanelKeys]
  const float* queries;  // [rows][head_dim], scaled by log2(e) / sqrt(head_dim)
  const float* lse;      // [rows], times log2(e)
  std::int64_t head_dim;
  std::int64_t rows;
  std::int64_t group;        // row r is a query of position first_query + r / group
  std::int64_t first_query;  // a position
  std::int64_t first_key;    // a position
  float* sum;                // [kMassPanelKeys]
  float* peak;               // [kMassPanelKeys], or null
};

}  // namespace sluice::kernels
