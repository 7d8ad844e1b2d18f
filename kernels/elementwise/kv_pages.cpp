// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/kv_pages.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kernels/core/check.hpp"
#include "kernels/elementwise/kv_page_job.hpp"
#include "kernels/elementwise/parallel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/kv_pages.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/elementwise/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {

template <class From, class To>
HWY_INLINE void convert_run(const From* from, To* to, std::int64_t width) {
  for_elements(static_cast<std::size_t>(width),
               [&](auto d, std::size_t i) HWY_ATTR { store(d, load(d, from + i), to + i); });
}

template <class From>
HWY_INLINE void convert_run_to(const From* from, std::byte* to, bool is_f32, std::int64_t width) {
  if (is_f32) {
    convert_run(from, reinterpret_cast<float*>(to), width);
  } else {
    convert_run(from, reinterpret_cast<std::uint16_t*>(to), width);
  }
}

// `width` elements; neither side need be aligned.
void convert_elements(const std::byte* from, bool from_f32, std::byte* to, bool to_f32,
                      std::int64_t width) {
  if (from_f32) {
    convert_run_to(reinterpret_cast<const float*>(from), to, to_f32, width);
  } else {
    convert_run_to(reinterpret_cast<const std::uint16_t*>(from), to, to_f32, width);
  }
}

// Elements 2 * pair and 2 * pair + 1 of as many tokens as the tag has lanes. `offsets`: of those
// tokens' rows, in 32-bit words.
template <class D, class V, class VI>
HWY_INLINE void gather_pair(D d, const float* tokens, VI offsets, V& a, V& b) {
  a = hn::GatherIndex(d, tokens, offsets);
  b = hn::GatherIndex(d, tokens + 1, offsets);
}
template <class D, class V, class VI>
HWY_INLINE void gather_pair(D d, const std::uint16_t* tokens, VI offsets, V& a, V& b) {
  const hn::Rebind<std::uint32_t, D> du32;
  const auto both = hn::GatherIndex(du32, reinterpret_cast<const std::uint32_t*>(tokens), offsets);
  a = hn::BitCast(d, hn::ShiftLeft<16>(both));
  b = hn::BitCast(d, hn::And(both, hn::Set(du32, 0xffff0000U)));
}

template <class D, class V>
HWY_INLINE void store_key_pair(D d, V a, V b, std::int64_t row_tokens, float* to) {
  hn::StoreU(a, d, to);
  hn::StoreU(b, d, to + row_tokens);
}
template <class D, class V>
HWY_INLINE void store_key_pair(D d, V a, V b, std::int64_t, std::uint16_t* to) {
  const hn::Rebind<std::uint32_t, D> du32;
  const auto both = hn::Or(bf16_bits(d, a), hn::ShiftLeft<16>(bf16_bits(d, b)));
  hn::StoreU(both, du32, reinterpret_cast<std::uint32_t*>(to));
}

// Transposes one block's keys of one head, [block_tokens][head_dim], into columns of a panel.
template <class From, class To>
HWY_INLINE void pack_keys(const From* from, const KvPages& pages, std::int64_t panel_tokens,
                          To* to) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di32;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto words =
      static_cast<std::int32_t>(pages.head_dim * static_cast<std::int64_t>(sizeof(From)) / 4);
  const auto offsets = hn::Mul(hn::Iota(di32, 0), hn::Set(di32, words));
  constexpr std::int64_t kToWidth = 4 / sizeof(To);  // elements of one lane's store
  for (std::int64_t token = 0; token < pages.block_tokens; token += lanes) {
    for (std::int64_t element = 0; element < pages.head_dim; element += 2) {
      auto a = hn::Zero(d);
      auto b = hn::Zero(d);
      gather_pair(d, from + token * pages.head_dim + element, offsets, a, b);
      store_key_pair(d, a, b, panel_tokens, to + element * panel_tokens + token * kToWidth);
    }
  }
}

// The values of tokens [0, count) of one block and head; rows up to block_tokens become zero.
template <class From>
HWY_INLINE void pack_values(const From* from, const KvPages& pages, std::int64_t count, float* to) {
  convert_run(from, to, count * pages.head_dim);
  std::memset(
      to + count * pages.head_dim, 0,
      static_cast<std::size_t>((pages.block_tokens - count) * pages.head_dim) * sizeof(float));
}
template <class From>
HWY_INLINE void pack_values(const From* from, const KvPages& pages, std::int64_t count,
                            std::uint16_t* to) {
  const std::int64_t dim = pages.head_dim;
  for (std::int64_t token = 0; token < pages.block_tokens; token += 2) {
    const From* row = from + token * dim;
    std::uint16_t* pair = to + token * dim;
    const bool has_first = token < count;
    const bool has_second = token + 1 < count;
    for_elements(static_cast<std::size_t>(dim), [&](auto d, std::size_t i) HWY_ATTR {
      const auto a = has_first ? load(d, row + i) : hn::Zero(d);
      const auto b = has_second ? load(d, row + dim + static_cast<std::int64_t>(i)) : hn::Zero(d);
      const hn::Rebind<std::uint32_t, decltype(d)> du32;
      const auto both = hn::Or(bf16_bits(d, a), hn::ShiftLeft<16>(bf16_bits(d, b)));
      hn::StoreU(both, du32, reinterpret_cast<std::uint32_t*>(pair + 2 * i));
    });
  }
}

template <class From, class To>
HWY_INLINE void pack_page(const PageJob& job) {
  const KvPages& pages = *job.pages;
  const std::int64_t panel_tokens = job.panels->panel_tokens;
  const std::int64_t token = job.block * pages.block_tokens;
  const std::int64_t panel = token / panel_tokens;
  const std::int64_t head_start = job.head * job.head_tokens * pages.head_dim;
  constexpr std::int64_t kToWidth = 4 / sizeof(To);
  To* keys = static_cast<To*>(job.panels->keys) + head_start +
             panel * panel_tokens * pages.head_dim + (token % panel_tokens) * kToWidth;
  To* values = static_cast<To*>(job.panels->values) + head_start + token * pages.head_dim;
  const std::int64_t plane = pages.block_tokens * pages.head_dim;
  const From* block = nullptr;
  if (job.count > 0) {
    block = reinterpret_cast<const From*>(pages.blocks[static_cast<std::size_t>(job.block)]);
    pack_keys(block + job.head * plane, pages, panel_tokens, keys);
    block += (pages.kv_heads + job.head) * plane;
  }
  pack_values(block, pages, job.count, values);
}

void pack_page_any(const PageJob& job) {
  const bool from_f32 = job.pages->element_bytes == 4;
  if (job.panels->dtype == DType::kF32) {
    from_f32 ? pack_page<float, float>(job) : pack_page<std::uint16_t, float>(job);
  } else {
    from_f32 ? pack_page<float, std::uint16_t>(job) : pack_page<std::uint16_t, std::uint16_t>(job);
  }
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
HWY_EXPORT(convert_elements);
HWY_EXPORT(pack_page_any);

namespace {

// Start of `token`'s elements of one head in its page.
std::byte* element_of(const KvPages& pages, KvHalf half, std::int64_t head, std::int64_t token) {
  const std::int64_t plane = (half == KvHalf::kKey ? 0 : pages.kv_heads) + head;
  const std::int64_t row = plane * pages.block_tokens + token % pages.block_tokens;
  return pages.blocks[static_cast<std::size_t>(token / pages.block_tokens)] +
         static_cast<std::size_t>(row * pages.head_dim) * pages.element_bytes;
}

void check_reach(const KvPages& pages, std::int64_t tokens) {
  SLUICE_CHECK(tokens <= static_cast<std::int64_t>(pages.blocks.size()) * pages.block_tokens,
               "the blocks must reach the last token");
}

}  // namespace

DType kv_pages_dtype(const KvPages& pages) {
  SLUICE_CHECK(pages.element_bytes == 2 || pages.element_bytes == 4, "pages are BF16 or FP32");
  return pages.element_bytes == 4 ? DType::kF32 : DType::kBF16;
}

void store_kv(const KvPages& pages, const KvChunk& chunk) {
  check_reach(pages, chunk.first_token + chunk.tokens);
  const bool to_f32 = kv_pages_dtype(pages) == DType::kF32;
  const auto run = HWY_DYNAMIC_DISPATCH(convert_elements);
  const auto store_half = [&](const ConstRows& rows, KvHalf half, std::int64_t token) {
    const bool from_f32 = rows.dtype == DType::kF32;
    const auto element_bytes = static_cast<std::int64_t>(dtype_block_bytes(rows.dtype));
    const auto* from =
        static_cast<const std::byte*>(rows.data) + token * rows.stride * element_bytes;
    for (std::int64_t head = 0; head < pages.kv_heads; ++head) {
      run(from + head * pages.head_dim * element_bytes, from_f32,
          element_of(pages, half, head, chunk.first_token + token), to_f32, pages.head_dim);
    }
  };
  parallel_ranges(chunk.tokens, 2 * pages.kv_heads * pages.head_dim,
                  [&](std::int64_t first, std::int64_t last) {
                    for (std::int64_t token = first; token < last; ++token) {
                      store_half(chunk.k, KvHalf::kKey, token);
                      store_half(chunk.v, KvHalf::kValue, token);
                    }
                  });
}

void gather_kv(const KvPages& pages, KvHalf half, std::int64_t tokens, Rows out) {
  check_reach(pages, tokens);
  const bool from_f32 = kv_pages_dtype(pages) == DType::kF32;
  const bool to_f32 = out.dtype == DType::kF32;
  const auto element_bytes = static_cast<std::int64_t>(dtype_block_bytes(out.dtype));
  const auto run = HWY_DYNAMIC_DISPATCH(convert_elements);
  parallel_ranges(pages.kv_heads * tokens, pages.head_dim,
                  [&](std::int64_t first, std::int64_t last) {
                    for (std::int64_t row = first; row < last; ++row) {
                      run(element_of(pages, half, row / tokens, row % tokens), from_f32,
                          static_cast<std::byte*>(out.data) + row * out.stride * element_bytes,
                          to_f32, pages.head_dim);
                    }
                  });
}

void pack_kv_panels(const KvPages& pages, std::int64_t tokens, const KvPanels& panels) {
  check_reach(pages, tokens);
  // 16 lanes are the widest vector whose columns pack_keys() fills at once.
  SLUICE_CHECK(pages.block_tokens % 16 == 0 && pages.head_dim % 2 == 0 &&
                   panels.panel_tokens % pages.block_tokens == 0,
               "panels are whole blocks of whole vectors of pairs");
  kv_pages_dtype(pages);
  const std::int64_t head_tokens =
      (tokens + panels.panel_tokens - 1) / panels.panel_tokens * panels.panel_tokens;
  const std::int64_t head_blocks = head_tokens / pages.block_tokens;
  const auto run = HWY_DYNAMIC_DISPATCH(pack_page_any);
  parallel_ranges(pages.kv_heads * head_blocks, 2 * pages.block_tokens * pages.head_dim,
                  [&](std::int64_t first, std::int64_t last) {
                    for (std::int64_t item = first; item < last; ++item) {
                      const std::int64_t block = item % head_blocks;
                      const std::int64_t left = tokens - block * pages.block_tokens;
                      const std::int64_t count =
                          std::clamp<std::int64_t>(left, 0, pages.block_tokens);
                      run({&pages, &panels, item / head_blocks, block, count, head_tokens});
                    }
                  });
}

}  // namespace sluice::kernels
#endif
