// SPDX-License-Identifier: Apache-2.0
// A panel of keys, transposed so that vectors hold keys, meets all queries a few at a time: the
// scores of a tile stay in registers and go through the exponential into the keys' sums.
#include "kernels/stages/select/attention_mass.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/core/check.hpp"
#include "kernels/core/dtype.hpp"
#include "kernels/elementwise/convert.hpp"
#include "kernels/elementwise/parallel.hpp"
#include "kernels/stages/select/attention_mass_panel.hpp"

// Scalable vectors cannot be kept in arrays, as the accumulators here are.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/select/attention_mass.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/elementwise/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

// Vectors of keys and queries in flight: products fill the registers beside one vector for each.
constexpr std::size_t kVectors = 2;
#if HWY_CAP_GE256
constexpr std::size_t kQueries = 6;
#else
constexpr std::size_t kQueries = 3;
#endif

// `count` queries from `row` on against the `kVectors` vectors of keys from column `column` on.
template <std::size_t kCount, bool kIsMasked, bool kWantsPeak>
HWY_INLINE void add_tile(const MassPanel& panel, std::int64_t row, std::size_t column) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<decltype(d)> scores[kCount][kVectors];
  for (std::size_t q = 0; q < kCount; ++q) {
    for (std::size_t v = 0; v < kVectors; ++v) scores[q][v] = hn::Zero(d);
  }
  const float* queries = panel.queries + row * panel.head_dim;
  const float* keys = panel.keys + column;
  for (std::int64_t i = 0; i < panel.head_dim; ++i) {
    hn::Vec<decltype(d)> k[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) k[v] = hn::LoadU(d, keys + v * lanes);
    keys += kMassPanelKeys;
    for (std::size_t q = 0; q < kCount; ++q) {
      const auto value = hn::Set(d, queries[static_cast<std::int64_t>(q) * panel.head_dim + i]);
      for (std::size_t v = 0; v < kVectors; ++v)
        scores[q][v] = hn::MulAdd(value, k[v], scores[q][v]);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) {
    float* sums = panel.sum + column + v * lanes;
    float* peaks = panel.peak + column + v * lanes;
    auto sum = hn::LoadU(d, sums);
    auto peak = kWantsPeak ? hn::LoadU(d, peaks) : hn::Zero(d);
    for (std::size_t q = 0; q < kCount; ++q) {
      const std::int64_t at = row + static_cast<std::int64_t>(q);
      auto weight = exp2(d, hn::Sub(scores[q][v], hn::Set(d, panel.lse[at])));
      if constexpr (kIsMasked) {
        // Columns of this vector up to the query's own position, as floats: exact, and far fewer
        // than 2^24.
        const std::int64_t seen = panel.first_query + at / panel.group - panel.first_key;
        const auto last = static_cast<float>(std::clamp<std::int64_t>(seen, -1, kMassPanelKeys) -
                                             static_cast<std::int64_t>(column + v * lanes));
        weight = hn::IfThenElseZero(hn::Le(hn::Iota(d, 0.0F), hn::Set(d, last)), weight);
      }
      sum = hn::Add(sum, weight);
      if constexpr (kWantsPeak) peak = hn::Max(peak, weight);
    }
    hn::StoreU(sum, d, sums);
    if constexpr (kWantsPeak) hn::StoreU(peak, d, peaks);
  }
}

template <bool kIsMasked, bool kWantsPeak>
void add_rows(const MassPanel& panel, std::int64_t first, std::int64_t last) {
  const std::size_t step = kVectors * hn::Lanes(hn::ScalableTag<float>());
  for (std::size_t column = 0; column < kMassPanelKeys; column += step) {
    std::int64_t row = first;
    for (; row + static_cast<std::int64_t>(kQueries) <= last; row += kQueries) {
      add_tile<kQueries, kIsMasked, kWantsPeak>(panel, row, column);
    }
    for (; row < last; ++row) add_tile<1, kIsMasked, kWantsPeak>(panel, row, column);
  }
}

}  // namespace

void add_panel(const MassPanel& panel) {
  // Queries before the panel see none of it; those within it a part; those past it all.
  const auto row_of = [&](std::int64_t position) {
    return std::clamp<std::int64_t>(position - panel.first_query, 0, panel.rows / panel.group) *
           panel.group;
  };
  const std::int64_t within = row_of(panel.first_key);
  const std::int64_t past = row_of(panel.first_key + kMassPanelKeys - 1);
  if (panel.peak == nullptr) {
    add_rows<true, false>(panel, within, past);
    add_rows<false, false>(panel, past, panel.rows);
  } else {
    add_rows<true, true>(panel, within, past);
    add_rows<false, true>(panel, past, panel.rows);
  }
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
HWY_EXPORT(add_panel);

namespace {

constexpr float kLog2OfE = 1.4426950408889634F;

// Keys [first, last) of a head to [head_dim][kMassPanelKeys], zeros behind them.
void load_keys(const KvPages& pages, std::int64_t kv_head, std::int64_t first, std::int64_t last,
               float* panel) {
  const auto load = [&](auto element, auto convert) {
    for (std::int64_t key = first; key < last; ++key) {
      const auto* page = reinterpret_cast<const decltype(element)*>(
          pages.blocks[static_cast<std::size_t>(key / pages.block_tokens)]);
      const auto* row =
          page + (kv_head * pages.block_tokens + key % pages.block_tokens) * pages.head_dim;
      float* column = panel + (key - first);
      for (std::int64_t i = 0; i < pages.head_dim; ++i) {
        column[i * kMassPanelKeys] = convert(row[i]);
      }
    }
  };
  if (last - first < kMassPanelKeys) {
    std::fill(panel, panel + pages.head_dim * kMassPanelKeys, 0.0F);
  }
  if (pages.element_bytes == 4) {
    load(float{}, [](float value) { return value; });
  } else {
    load(std::uint16_t{}, [](std::uint16_t bits) { return f32_from_bf16(bits); });
  }
}

// Queries by KV head, scaled so that 2^(q . k - lse) is the weight of attention.
struct ScaledQueries {
  std::vector<float> queries;  // [kv_head][token][head of the group][head_dim]
  std::vector<float> lse;      // [kv_head][token][head of the group]
};

ScaledQueries scale_queries(const AttentionMass& mass) {
  const std::int64_t tokens = mass.last_token - mass.first_token;
  const std::int64_t group = mass.heads / mass.pages.kv_heads;
  const std::int64_t width = group * mass.pages.head_dim;
  const float scale = kLog2OfE / std::sqrt(static_cast<float>(mass.pages.head_dim));
  ScaledQueries scaled;
  scaled.queries.resize(static_cast<std::size_t>(tokens * mass.pages.kv_heads * width));
  scaled.lse.reserve(static_cast<std::size_t>(tokens * mass.heads));
  for (std::int64_t kv_head = 0; kv_head < mass.pages.kv_heads; ++kv_head) {
    const auto* from =
        static_cast<const std::byte*>(mass.queries.data) +
        kv_head * width * static_cast<std::int64_t>(dtype_block_bytes(mass.queries.dtype));
    convert_rows(tokens, width, {from, mass.queries.dtype, mass.queries.stride},
                 {scaled.queries.data() + kv_head * tokens * width, DType::kF32, width});
    for (std::int64_t token = 0; token < tokens; ++token) {
      const float* lse = mass.lse + token * mass.heads + kv_head * group;
      for (std::int64_t head = 0; head < group; ++head) scaled.lse.push_back(lse[head] * kLog2OfE);
    }
  }
  for (float& value : scaled.queries) value *= scale;
  return scaled;
}

}  // namespace

void add_attention_mass(const AttentionMass& mass) {
  SLUICE_CHECK(mass.pages.kv_heads > 0 && mass.heads % mass.pages.kv_heads == 0,
               "query heads share KV heads evenly");
  SLUICE_CHECK(mass.stride >= mass.last_token && mass.sum != nullptr, "sums hold every key");
  const std::int64_t tokens = mass.last_token - mass.first_token;
  if (tokens <= 0) return;
  const std::int64_t dim = mass.pages.head_dim;
  const std::int64_t group = mass.heads / mass.pages.kv_heads;
  const std::int64_t panels = (mass.last_token + kMassPanelKeys - 1) / kMassPanelKeys;
  const ScaledQueries scaled = scale_queries(mass);
  const auto add = [&](std::int64_t first, std::int64_t last) {
    std::vector<float> keys(static_cast<std::size_t>(dim * kMassPanelKeys));
    std::array<float, kMassPanelKeys> sum{};
    std::array<float, kMassPanelKeys> peak{};
    for (std::int64_t item = first; item < last; ++item) {
      const std::int64_t kv_head = item / panels;
      const std::int64_t first_key = item % panels * kMassPanelKeys;
      const std::int64_t last_key = std::min(first_key + kMassPanelKeys, mass.last_token);
      load_keys(mass.pages, kv_head, first_key, last_key, keys.data());
      const std::int64_t at = kv_head * mass.stride + first_key;
      std::copy_n(mass.sum + at, last_key - first_key, sum.begin());
      if (mass.peak != nullptr) std::copy_n(mass.peak + at, last_key - first_key, peak.begin());
      HWY_DYNAMIC_DISPATCH(add_panel)
      ({.keys = keys.data(),
        .queries = scaled.queries.data() + kv_head * tokens * group * dim,
        .lse = scaled.lse.data() + kv_head * tokens * group,
        .head_dim = dim,
        .rows = tokens * group,
        .group = group,
        .first_query = mass.first_token,
        .first_key = first_key,
        .sum = sum.data(),
        .peak = mass.peak == nullptr ? nullptr : peak.data()});
      std::copy_n(sum.begin(), last_key - first_key, mass.sum + at);
      if (mass.peak != nullptr) std::copy_n(peak.begin(), last_key - first_key, mass.peak + at);
    }
  };
  parallel_ranges(mass.pages.kv_heads * panels, kMassPanelKeys * tokens * group, add);
}

#if !defined(SLUICE_CUDA)
Status add_attention_mass_on_cuda(const AttentionMassTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
#endif
