// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/kv_tile.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/core/check.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pipeline/kv_tile.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/elementwise/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {

// Where one head's runs are. Tokens mostly follow each other: a division for each run would be a
// tenth of what its conversion takes.
template <class Element>
class RunCursor {
 public:
  HWY_INLINE RunCursor(const KvPages& pages, std::int64_t plane) : pages_(pages), plane_(plane) {}
  HWY_INLINE Element* at(std::int32_t token) {
    if (token != next_ || left_ == 0) {
      const auto block_tokens = static_cast<std::int32_t>(pages_.block_tokens);
      const std::int32_t block = token / block_tokens;
      const std::int32_t within = token - block * block_tokens;
      run_ = reinterpret_cast<Element*>(pages_.blocks[static_cast<std::size_t>(block)]) +
             (plane_ * pages_.block_tokens + within) * pages_.head_dim;
      left_ = block_tokens - within;
    }
    next_ = token + 1;
    --left_;
    Element* const run = run_;
    run_ += pages_.head_dim;
    return run;
  }

 private:
  const KvPages& pages_;
  std::int64_t plane_;
  Element* run_ = nullptr;
  std::int32_t next_ = -1;
  std::int32_t left_ = 0;  // runs of the block from run_ on
};

// A block of tokens of one head is a few KiB: too short for the hardware to guess what comes next.
// To the second cache: the tile at work fills the first.
template <bool is_written, class Element>
HWY_INLINE void fetch_ahead(const Element* run, std::int64_t elements) {
  constexpr std::int64_t kLineElements = 64 / static_cast<std::int64_t>(sizeof(Element));
  for (std::int64_t i = 0; i < elements; i += kLineElements)
    __builtin_prefetch(run + i, is_written, 2);
}

// body(element of the pages, column, row index) for every run of head_dim elements.
template <class Element, class Body>
HWY_INLINE void each_run(const KvTile& tile, const Body& body) {
  std::int64_t column = 0;
  const std::size_t ahead = std::min(tile.next_rows.size(), tile.rows.size());
  const std::int64_t of_layer = (tile.half == KvHalf::kBoth ? 2 : 1) * tile.head_count;
  for (const KvPages& pages : tile.pages) {
    const std::int64_t first = (tile.half == KvHalf::kValue ? pages.kv_heads : 0) + tile.head_first;
    // Head by head: a head's tokens follow each other in memory.
    for (std::int64_t head = 0; head < of_layer; ++head) {
      const std::int64_t of_values = head < tile.head_count ? 0 : pages.kv_heads - tile.head_count;
      const std::int64_t plane = first + head + of_values;
      RunCursor<Element> here(pages, plane);
      RunCursor<Element> next(pages, plane);
      for (std::size_t row = 0; row < tile.rows.size(); ++row) {
        if (row < ahead) {
          fetch_ahead<!std::is_const_v<Element>>(next.at(tile.next_rows[row]), pages.head_dim);
        }
        body(here.at(tile.rows[row]), column, static_cast<std::int64_t>(row));
      }
      column += pages.head_dim;
    }
  }
}

template <class From>
HWY_INLINE bool load_rows(const KvTile& tile, const Matrix& to) {
  const auto dim = static_cast<std::size_t>(tile.pages.front().head_dim);
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const hn::RebindToUnsigned<decltype(d)> du;
  const std::size_t lanes = hn::Lanes(d);
  // The exponent of NaN and infinity is all ones: the largest one tells.
  const auto exponent = hn::Set(du, 0x7f800000U);
  auto largest = hn::Zero(du);
  bool is_finite = true;
  each_run<const From>(tile, [&](const From* run, std::int64_t column, std::int64_t row) HWY_ATTR {
    float* out = to.row(row) + column;
    std::size_t i = 0;
    for (; i + lanes <= dim; i += lanes) {
      const auto value = load(d, run + i);
      largest = hn::Max(largest, hn::And(hn::BitCast(du, value), exponent));
      hn::StoreU(value, d, out + i);
    }
    for (; i < dim; ++i) {
      store(d1, load(d1, run + i), out + i);
      std::uint32_t bits = 0;
      std::memcpy(&bits, out + i, sizeof bits);
      is_finite = is_finite && (bits & 0x7f800000U) != 0x7f800000U;
    }
  });
  return is_finite && hn::AllFalse(du, hn::Eq(largest, exponent));
}

bool load_any(const KvTile& tile, const Matrix& to) {
  return tile.pages.front().element_bytes == 4 ? load_rows<float>(tile, to)
                                               : load_rows<std::uint16_t>(tile, to);
}

template <class To>
HWY_INLINE void store_rows(const KvTile& tile, const ConstMatrix& from) {
  const auto dim = static_cast<std::size_t>(tile.pages.front().head_dim);
  each_run<To>(tile, [&](To* run, std::int64_t column, std::int64_t row) HWY_ATTR {
    const float* in = from.row(row) + column;
    for_elements(dim, [&](auto d, std::size_t i) HWY_ATTR { store(d, load(d, in + i), run + i); });
  });
}

// Whole lines of BF16 past the caches: a written line is not read before, which is half of what
// decoding asks of memory. Runs that are not of whole lines go the ordinary way.
HWY_INLINE void stream_rows(const KvTile& tile, const ConstMatrix& from) {
#if HWY_TARGET == HWY_SCALAR
  store_rows<std::uint16_t>(tile, from);
#else
  constexpr std::size_t kLineBytes = 64;
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::uint16_t, decltype(d)> narrow;
  const hn::Twice<decltype(narrow)> joined;
  const hn::Rebind<std::int32_t, decltype(d)> words;
  const std::size_t lanes = hn::Lanes(d);
  const auto dim = static_cast<std::size_t>(tile.pages.front().head_dim);
  const bool has_lines = dim * 2 % kLineBytes == 0 && dim % (2 * lanes) == 0;
  KvTile unfetched = tile;
  unfetched.next_rows = {};
  const auto rounded = [=](const float* in) HWY_ATTR {
    return hn::DemoteTo(narrow, hn::BitCast(words, bf16_bits(d, hn::LoadU(d, in))));
  };
  each_run<std::uint16_t>(
      unfetched, [&](std::uint16_t* run, std::int64_t column, std::int64_t row) HWY_ATTR {
        const float* in = from.row(row) + column;
        if (!has_lines || reinterpret_cast<std::uintptr_t>(run) % kLineBytes != 0) {
          return for_elements(dim, [&](auto tag, std::size_t i)
                                       HWY_ATTR { store(tag, load(tag, in + i), run + i); });
        }
        for (std::size_t i = 0; i < dim; i += 2 * lanes) {
          const auto both = hn::Combine(joined, rounded(in + i + lanes), rounded(in + i));
          hn::Stream(both, joined, run + i);
        }
      });
#endif
}

void store_any(const KvTile& tile, const ConstMatrix& from) {
  if (tile.pages.front().element_bytes == 4) return store_rows<float>(tile, from);
  tile.bypasses_cache ? stream_rows(tile, from) : store_rows<std::uint16_t>(tile, from);
}

void load_bf16_any(const KvTile& tile, std::byte* to) {
  const auto dim = static_cast<std::size_t>(tile.pages.front().head_dim);
  const std::int64_t columns = tile.columns();
  auto* out = reinterpret_cast<std::uint16_t*>(to);
  if (tile.pages.front().element_bytes == 2) {
    each_run<const std::uint16_t>(
        tile, [&](const std::uint16_t* run, std::int64_t column, std::int64_t row)
                  HWY_ATTR { std::memcpy(to + (row * columns + column) * 2, run, dim * 2); });
    return;
  }
  each_run<const float>(
      tile, [&](const float* run, std::int64_t column, std::int64_t row) HWY_ATTR {
        for_elements(dim, [&](auto d, std::size_t i) HWY_ATTR {
          store(d, load(d, run + i), out + row * columns + column + static_cast<std::int64_t>(i));
        });
      });
}

void store_bf16_any(const KvTile& tile, const std::byte* from) {
  const auto dim = static_cast<std::size_t>(tile.pages.front().head_dim);
  const std::int64_t columns = tile.columns();
  if (tile.pages.front().element_bytes == 2) {
    each_run<std::uint16_t>(
        tile, [&](std::uint16_t* run, std::int64_t column, std::int64_t row)
                  HWY_ATTR { std::memcpy(run, from + (row * columns + column) * 2, dim * 2); });
    return;
  }
  const auto* in = reinterpret_cast<const std::uint16_t*>(from);
  each_run<float>(tile, [&](float* run, std::int64_t column, std::int64_t row) HWY_ATTR {
    for_elements(dim, [&](auto d, std::size_t i) HWY_ATTR {
      store(d, load(d, in + row * columns + column + static_cast<std::int64_t>(i)), run + i);
    });
  });
}

void round_any(const ConstMatrix& from, std::byte* to) {
  auto* out = reinterpret_cast<std::uint16_t*>(to);
  for (std::int64_t row = 0; row < from.rows; ++row, out += from.columns) {
    const float* in = from.row(row);
    for_elements(static_cast<std::size_t>(from.columns),
                 [&](auto d, std::size_t i) HWY_ATTR { store(d, load(d, in + i), out + i); });
  }
}

void expand_any(const std::byte* from, const Matrix& to) {
  const auto* in = reinterpret_cast<const std::uint16_t*>(from);
  for (std::int64_t row = 0; row < to.rows; ++row, in += to.columns) {
    float* out = to.row(row);
    for_elements(static_cast<std::size_t>(to.columns),
                 [&](auto d, std::size_t i) HWY_ATTR { store(d, load(d, in + i), out + i); });
  }
}

}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
HWY_EXPORT(load_any);
HWY_EXPORT(store_any);
HWY_EXPORT(load_bf16_any);
HWY_EXPORT(store_bf16_any);
HWY_EXPORT(round_any);
HWY_EXPORT(expand_any);

bool load_tile(const KvTile& tile, Matrix to) { return HWY_DYNAMIC_DISPATCH(load_any)(tile, to); }
void store_tile(const KvTile& tile, ConstMatrix from) {
  HWY_DYNAMIC_DISPATCH(store_any)(tile, from);
}
void settle_stores() { hwy::FlushStream(); }
namespace {

// Few rows at a time: the matrix side stays in cache while the heads take turns.
template <class Body>
void each_part(const KvTile& tile, const Body& body) {
  constexpr std::int64_t kRows = 16;
  const auto rows = static_cast<std::int64_t>(tile.rows.size());
  const std::size_t row_bytes = static_cast<std::size_t>(tile.columns()) * sizeof(std::uint16_t);
  for (std::int64_t first = 0; first < rows; first += kRows) {
    body(tile.part(first, std::min(kRows, rows - first)),
         static_cast<std::size_t>(first) * row_bytes);
  }
}

}  // namespace

void load_bf16(const KvTile& tile, std::byte* to) {
  const auto run = HWY_DYNAMIC_DISPATCH(load_bf16_any);
  each_part(tile, [&](const KvTile& part, std::size_t at) { run(part, to + at); });
}
void store_bf16(const KvTile& tile, const std::byte* from) {
  const auto run = HWY_DYNAMIC_DISPATCH(store_bf16_any);
  each_part(tile, [&](const KvTile& part, std::size_t at) { run(part, from + at); });
}
void round_to_bf16(ConstMatrix from, std::byte* to) { HWY_DYNAMIC_DISPATCH(round_any)(from, to); }
void expand_bf16(const std::byte* from, Matrix to) { HWY_DYNAMIC_DISPATCH(expand_any)(from, to); }

}  // namespace sluice::kernels
#endif
