// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/decode_attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/core/check.hpp"

// Scalable vectors cannot be kept in arrays, as the sums here are.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/decode_attention.cpp"
// foreach_target.h comes first: it includes this file again for each target.
// clang-format off
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "hwy/contrib/math/math-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Tag>;
constexpr std::size_t kLanes = hn::MaxLanes(Tag());

// Heads and vectors of a value row whose sums stay in registers.
constexpr std::size_t kHeadTile = 4;
constexpr std::size_t kValueTile = HWY_CAP_GE512 ? 4 : 2;

HWY_INLINE Vector load(const float* from) { return hn::LoadU(Tag(), from); }

HWY_INLINE Vector load(const std::uint16_t* from) {
  const hn::Rebind<std::uint16_t, Tag> short_tag;
  const hn::Rebind<std::uint32_t, Tag> bits_tag;
  const auto bits = hn::PromoteTo(bits_tag, hn::LoadU(short_tag, from));
  return hn::BitCast(Tag(), hn::ShiftLeft<16>(bits));
}

HWY_INLINE float scalar(float value) { return value; }
HWY_INLINE float scalar(std::uint16_t value) { return f32_from_bf16(value); }

// Where each token's key and value are; slots past the last token repeat it.
template <class T>
struct Rows {
  Rows(const HeadGroup& group, const KvSplit& split) {
    const auto width = static_cast<std::size_t>(group.head_dim);
    const auto block_tokens = static_cast<std::size_t>(group.block_tokens);
    const auto tokens = static_cast<std::size_t>(split.tokens);
    std::size_t token = 0;
    for (std::size_t block = 0; token < tokens; ++block) {
      const auto* first_key = reinterpret_cast<const T*>(split.blocks[block] + split.key_offset);
      const auto* first_value =
          reinterpret_cast<const T*>(split.blocks[block] + split.value_offset);
      for (std::size_t i = 0; i < block_tokens && token < tokens; ++i, ++token) {
        keys[token] = first_key + i * width;
        values[token] = first_value + i * width;
      }
    }
    std::fill(keys + tokens, keys + kSplitTokens, keys[tokens - 1]);
  }
  const T* keys[kSplitTokens];
  const T* values[kSplitTokens];
};

using Scores = float[kHeadTile][kSplitTokens];

// Lane i of the result is the sum of the lanes of sums[i], for as many vectors as lanes: each
// level adds neighbours of two vectors into one. A recursion, since it must be unrolled.
template <std::size_t kCount>
HWY_INLINE Vector sums_of_lanes(const Vector* sums) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (kCount > 1) {
    const Vector low = sums_of_lanes<kCount / 2>(sums);
    const Vector high = sums_of_lanes<kCount / 2>(sums + kCount / 2);
    return hn::Add(hn::ConcatEven(Tag(), high, low), hn::ConcatOdd(Tag(), high, low));
  }
#endif
  return sums[0];
}

// The scores of kHeads heads with every token of the split, as many tokens at a time as lanes.
template <class T, std::size_t kHeads>
HWY_INLINE void score(const HeadGroup& group, const float* queries, const Rows<T>& rows,
                      std::size_t tokens, Scores& scores) {
  const auto width = static_cast<std::size_t>(group.head_dim);
  const std::size_t whole = width / kLanes * kLanes;
  const Vector scale = hn::Set(Tag(), group.scale);
  for (std::size_t first = 0; first < tokens; first += kLanes) {
    const T* const* keys = rows.keys + first;
    for (std::size_t h = 0; h < kHeads; ++h) {
      const float* query = queries + h * width;
      Vector sums[kLanes];
      for (auto& sum : sums) sum = hn::Zero(Tag());
      for (std::size_t i = 0; i < whole; i += kLanes) {
        const Vector values = load(query + i);
        for (std::size_t t = 0; t < kLanes; ++t) {
          sums[t] = hn::MulAdd(load(keys[t] + i), values, sums[t]);
        }
      }
      HWY_ALIGN float rest[kLanes] = {};
      for (std::size_t t = 0; whole < width && t < kLanes; ++t) {
        for (std::size_t i = whole; i < width; ++i) rest[t] += scalar(keys[t][i]) * query[i];
      }
      const Vector total = hn::Add(sums_of_lanes<kLanes>(sums), hn::Load(Tag(), rest));
      hn::Store(hn::Mul(total, scale), Tag(), scores[h] + first);
    }
  }
}

// Scores to exponentials relative to the largest, which goes to partial[0] and their sum to [1].
HWY_INLINE void exponentiate(float* scores, std::size_t tokens, float* partial) {
  const Tag tag;
  std::fill(scores + tokens, scores + kSplitTokens, std::numeric_limits<float>::lowest());
  Vector most = hn::Load(tag, scores);
  for (std::size_t i = kLanes; i < tokens; i += kLanes) {
    most = hn::Max(most, hn::Load(tag, scores + i));
  }
  const Vector largest = hn::MaxOfLanes(tag, most);
  Vector sums = hn::Zero(tag);
  const Vector floor = hn::Set(tag, -87.0F);  // what underflows is as good as zero
  for (std::size_t i = 0; i < tokens; i += kLanes) {
    const Vector relative = hn::Sub(hn::Load(tag, scores + i), largest);
    const Vector exponential =
        hn::IfThenElseZero(hn::Ge(relative, floor), hn::Exp(tag, hn::Max(relative, floor)));
    hn::Store(exponential, tag, scores + i);
    sums = hn::Add(sums, exponential);
  }
  partial[0] = hn::GetLane(largest);
  partial[1] = hn::GetLane(hn::SumOfLanes(tag, sums));
}

// partial[h][2 + d] = sum over tokens of weights[h][token] * V[token][d].
template <class T, std::size_t kHeads>
HWY_INLINE void weigh(std::size_t width, const Rows<T>& rows, std::size_t tokens,
                      const Scores& weights, float* partial) {
  std::size_t first = 0;
  for (; first + kValueTile * kLanes <= width; first += kValueTile * kLanes) {
    Vector sums[kHeads][kValueTile];
    for (auto& of_head : sums) {
      for (auto& sum : of_head) sum = hn::Zero(Tag());
    }
    for (std::size_t token = 0; token < tokens; ++token) {
      const T* row = rows.values[token] + first;
      Vector weight[kHeads];
      for (std::size_t h = 0; h < kHeads; ++h) weight[h] = hn::Set(Tag(), weights[h][token]);
      for (std::size_t v = 0; v < kValueTile; ++v) {
        const Vector values = load(row + v * kLanes);
        for (std::size_t h = 0; h < kHeads; ++h) {
          sums[h][v] = hn::MulAdd(weight[h], values, sums[h][v]);
        }
      }
    }
    for (std::size_t h = 0; h < kHeads; ++h) {
      for (std::size_t v = 0; v < kValueTile; ++v) {
        hn::StoreU(sums[h][v], Tag(), partial + h * (width + 2) + 2 + first + v * kLanes);
      }
    }
  }
  for (std::size_t h = 0; h < kHeads; ++h) {
    for (std::size_t i = first; i < width; ++i) {
      float sum = 0;
      for (std::size_t token = 0; token < tokens; ++token) {
        sum += weights[h][token] * scalar(rows.values[token][i]);
      }
      partial[h * (width + 2) + 2 + i] = sum;
    }
  }
}

template <class T, std::size_t kHeads>
void attend_tile(const HeadGroup& group, const float* queries, const Rows<T>& rows,
                 std::size_t tokens, float* partial) {
  const auto width = static_cast<std::size_t>(group.head_dim);
  HWY_ALIGN Scores scores = {};
  score<T, kHeads>(group, queries, rows, tokens, scores);
  for (std::size_t h = 0; h < kHeads; ++h) {
    exponentiate(scores[h], tokens, partial + h * (width + 2));
  }
  weigh<T, kHeads>(width, rows, tokens, scores, partial);
}

template <class T>
void attend(const HeadGroup& group, const float* queries, const KvSplit& split, float* partial) {
  const Rows<T> rows(group, split);
  const auto tokens = static_cast<std::size_t>(split.tokens);
  for (std::int64_t head = 0; head < group.heads; head += static_cast<std::int64_t>(kHeadTile)) {
    const float* query = queries + head * group.head_dim;
    float* out = partial + head * (group.head_dim + 2);
    switch (std::min<std::int64_t>(group.heads - head, static_cast<std::int64_t>(kHeadTile))) {
      case 1:
        attend_tile<T, 1>(group, query, rows, tokens, out);
        break;
      case 2:
        attend_tile<T, 2>(group, query, rows, tokens, out);
        break;
      case 3:
        attend_tile<T, 3>(group, query, rows, tokens, out);
        break;
      default:
        attend_tile<T, 4>(group, query, rows, tokens, out);
        break;
    }
  }
}

void attend_split_target(const HeadGroup& group, const float* queries, const KvSplit& split,
                         float* partial) {
  if (group.dtype == DType::kBF16) return attend<std::uint16_t>(group, queries, split, partial);
  attend<float>(group, queries, split, partial);
}

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(attend_split_target);

void attend_split(const HeadGroup& group, const float* queries, const KvSplit& split,
                  float* partial) {
  SLUICE_CHECK(group.dtype == DType::kBF16 || group.dtype == DType::kF32,
               "keys and values are BF16 or FP32");
  SLUICE_CHECK(split.tokens >= 1 && split.tokens <= kSplitTokens, "a split has 1 to 128 tokens");
  HWY_DYNAMIC_DISPATCH(attend_split_target)(group, queries, split, partial);
}

void merge_splits(const HeadGroup& group, const float* partials, std::int64_t splits, float* out) {
  const std::int64_t step = partial_floats(group);
  for (std::int64_t head = 0; head < group.heads; ++head) {
    const float* first = partials + head * (group.head_dim + 2);
    float largest = first[0];
    for (std::int64_t i = 1; i < splits; ++i) largest = std::max(largest, first[i * step]);
    float* sums = out + head * group.head_dim;
    std::fill_n(sums, group.head_dim, 0.0F);
    float total = 0;
    for (std::int64_t i = 0; i < splits; ++i) {
      const float* partial = first + i * step;
      const float weight = std::exp(partial[0] - largest);
      total += weight * partial[1];
      for (std::int64_t d = 0; d < group.head_dim; ++d) sums[d] += weight * partial[2 + d];
    }
    for (std::int64_t d = 0; d < group.head_dim; ++d) sums[d] /= total;
  }
}

}  // namespace sluice::kernels
#endif
