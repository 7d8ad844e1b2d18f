// SPDX-License-Identifier: Apache-2.0
// What a stage may know about the matrix it works on. The decoder knows all of it too, but what is
// marked "encoder only".
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/stages/profile.hpp"

namespace sluice::kernels {

// How K was rotated before it was stored. Pair i turns by position * radians_per_position[i].
struct RopeAngles {
  std::vector<double> radians_per_position;
  double attention_factor = 1.0;  // on cosine and sine
  bool is_interleaved = false;    // pairs are (2i, 2i+1); else (i, i + pairs)
};

// The cache that frames are of.
struct CacheShape {
  std::int64_t layers = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::uint64_t model_fingerprint = 0;
  RopeAngles rope;  // empty: K is not rotated, or nobody may ask
};

// A token's level: how it is sent. Between 1 and kLevelsMax a quantizer grades by it.
inline constexpr std::uint8_t kLevelDropped = 0;
inline constexpr std::uint8_t kLevelsMax = 8;
inline constexpr std::uint8_t kLevelExact = 255;  // BF16 as it is: no transform, no quantizer

// K or V of some heads of some layers, for some tokens. Columns: [layer][head][head_dim]. A joint
// plane (kBoth) has both: [layer][K, V][head][head_dim].
struct Plane {
  const CacheShape* shape = nullptr;
  const Profile* profile = nullptr;  // may be null
  std::string_view tables;           // the name under which the pipeline was calibrated
  KvHalf half = KvHalf::kKey;
  std::int64_t layer_first = 0;
  std::int64_t layer_count = 1;
  std::int64_t head_first = 0;
  std::int64_t head_count = 0;
  std::uint8_t level = 1;                   // of all its tokens
  std::span<const std::int32_t> positions;  // of its rows, ascending: the original positions
  std::span<const float> importance;        // encoder only, by row; may be empty

  std::int64_t columns() const { return layer_count * halves() * head_count * shape->head_dim; }
  bool is_key() const { return half == KvHalf::kKey; }
  bool is_joint() const { return half == KvHalf::kBoth; }
  std::int64_t halves() const { return is_joint() ? 2 : 1; }
};

}  // namespace sluice::kernels
