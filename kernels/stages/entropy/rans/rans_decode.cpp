// SPDX-License-Identifier: Apache-2.0
// States are kept as halves of 16 bits, so that a 512-bit register steps 32 lanes: with 14 bits of
// precision, x = high * 2^16 + low becomes
//   f * (x >> 14) + slot - start = (4 f) * high + [f * (low >> 14) + slot - start],
// where 4 f and the bracket fit 16 bits. All lanes are in one column, so its table is in registers.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "kernels/stages/entropy/rans/rans_coder.hpp"
#include "kernels/stages/entropy/rans/rans_tables.hpp"

// Scalable vectors cannot be kept in arrays.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/entropy/rans/rans_decode.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/stages/entropy/rans/byte_transpose-inl.h"

#ifndef SLUICE_RANS_DECODE_ONCE
#define SLUICE_RANS_DECODE_ONCE
namespace sluice::kernels {
namespace {

// By which of 8 lanes want a word: the bytes that spread the next words over them.
struct alignas(64) SpreadTable {
  std::uint8_t bytes[256][16];
};
constexpr SpreadTable make_spread_table() {
  SpreadTable table{};
  for (unsigned mask = 0; mask < 256; ++mask) {
    unsigned word = 0;
    for (unsigned lane = 0; lane < 8; ++lane) {
      table.bytes[mask][2 * lane] = static_cast<std::uint8_t>(2 * word);
      table.bytes[mask][2 * lane + 1] = static_cast<std::uint8_t>(2 * word + 1);
      word += mask >> lane & 1U;
    }
    // The last lanes may point behind eight words where they want none.
    for (unsigned i = 0; i < 16; ++i) {
      if (table.bytes[mask][i] > 15) table.bytes[mask][i] = 0;
    }
  }
  return table;
}
constexpr SpreadTable kSpread = make_spread_table();

constexpr std::int64_t kChunkColumns = 64;

// What is decoded: rows of symbols, and by which tables.
struct DecodeJob {
  RansLayout layout;
  const RansDecodeTables* tables;
  std::uint8_t* symbols;
  std::int64_t stride;
};

// A block on its way. States by halves, one lane after another.
struct DecodeStream {
  alignas(64) std::uint16_t high[kRansLanes] = {};
  alignas(64) std::uint16_t low[kRansLanes] = {};
  const std::uint16_t* next = nullptr;
  const std::uint16_t* overrun = nullptr;  // one after the end
  std::int64_t team = 0;
  alignas(64) std::uint8_t tile[kChunkColumns * kRansLanes];
};

void start_stream(const DecodeJob& job, const RansBlockWords& words, DecodeStream& stream) {
  const auto lanes = static_cast<std::size_t>(job.layout.lanes());
  std::memcpy(stream.high, words.words, lanes * sizeof(std::uint16_t));
  std::memcpy(stream.low, words.words + lanes, lanes * sizeof(std::uint16_t));
  stream.next = words.words + 2 * lanes;
  stream.overrun = words.words + words.count + 1;
}

bool ends_well(const DecodeJob& job, const DecodeStream& stream) {
  bool is_well = stream.next + 1 == stream.overrun;
  for (std::int64_t lane = 0; lane < job.layout.lanes(); ++lane) {
    is_well &= stream.high[lane] == 1 && stream.low[lane] == 0;
  }
  return is_well;
}

// What a lane's slot says: its symbol's frequency, and the slot's place within the symbol.
struct WideLookup {
  alignas(64) std::uint16_t slot[kRansLanes];
  alignas(64) std::uint16_t frequency[kRansLanes] = {};
  alignas(64) std::uint16_t offset[kRansLanes] = {};
};

[[maybe_unused]] void look_up_wide(const RansWideDecode& table, std::int64_t rows,
                                   WideLookup& lanes, std::uint8_t* symbols) {
  for (std::int64_t lane = 0; lane < rows; ++lane) {
    const std::uint32_t slot = lanes.slot[lane];
    std::uint32_t symbol = table.from[slot >> kWideShift];
    symbol += table.start[symbol + 1] <= slot ? 1U : 0U;  // mostly enough
    while (table.start[symbol + 1] <= slot) ++symbol;
    symbols[lane] = static_cast<std::uint8_t>(symbol);
    const std::uint32_t start = table.start[symbol];
    lanes.frequency[lane] = static_cast<std::uint16_t>(table.start[symbol + 1] - start);
    lanes.offset[lane] = static_cast<std::uint16_t>(slot - start);
  }
}

// The tile's first `rows` lanes and `columns` columns to their places, where a whole patch does not
// fit or the columns are apart.
void scatter_tile(const DecodeJob& job, const DecodeStream& stream, std::int64_t first,
                  std::int64_t columns) {
  const std::int64_t rows = job.layout.rows_of(stream.team);
  std::uint8_t* base = job.symbols + stream.team * kRansLanes * job.stride;
  for (std::int64_t i = 0; i < columns; ++i) {
    const RansColumn& column = job.tables->columns[static_cast<std::size_t>(first + i)];
    for (std::int64_t row = 0; row < rows; ++row) {
      base[row * job.stride + column.column] = stream.tile[i * kRansLanes + row];
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

bool decode_target(const RansProblem& problem, const std::vector<RansBlockWords>& blocks,
                   std::uint8_t* symbols) {
  return rans_decode_plain(problem, blocks, symbols);
}

#else

using WordTag = hn::CappedTag<std::uint16_t, 32>;
using SignedTag = hn::Rebind<std::int16_t, WordTag>;
using Words = hn::Vec<WordTag>;
using Signed = hn::Vec<SignedTag>;
using WordMask = hn::Mask<WordTag>;

constexpr std::size_t kWidth = hn::MaxLanes(WordTag());
constexpr std::size_t kParts = kRansLanes / kWidth;  // vectors per stream
// Independent chains in flight hide the latency of one step, about 60 cycles.
constexpr int kStreams = kParts >= 4 ? 1 : 4 / static_cast<int>(kParts);

HWY_INLINE std::uint32_t bits_of(WordMask mask) {
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(WordTag(), mask, bytes);
  std::uint32_t bits = 0;
  std::memcpy(&bits, bytes, sizeof bits);
  return bits;
}

// Eight words of which the lanes in `bits` want the first ones.
HWY_INLINE hn::Vec<hn::Full128<std::uint16_t> > spread8(const std::uint16_t* next,
                                                        std::uint32_t bits) {
  const hn::Full128<std::uint8_t> bytes;
  const hn::Full128<std::uint16_t> words;
  const auto table = hn::Load(bytes, kSpread.bytes[bits & 0xff]);
  return hn::TableLookupBytes(hn::LoadU(words, next), hn::BitCast(words, table));
}

HWY_INLINE Words spread(const std::uint16_t* next, std::uint32_t bits) {
#if HWY_TARGET == HWY_AVX3_DL
  return Words{_mm512_maskz_expand_epi16(bits, _mm512_loadu_si512(next))};
#else
  const auto part0 = spread8(next, bits);
#if HWY_CAP_GE256
  const hn::Full256<std::uint16_t> half;
  const std::uint16_t* next1 = next + std::popcount(bits & 0xffU);
  const auto low = hn::Combine(half, spread8(next1, bits >> 8), part0);
#if HWY_CAP_GE512
  const std::uint16_t* next2 = next + std::popcount(bits & 0xffffU);
  const std::uint16_t* next3 = next + std::popcount(bits & 0xffffffU);
  const auto high = hn::Combine(half, spread8(next3, bits >> 24), spread8(next2, bits >> 16));
  return hn::Combine(WordTag(), high, low);
#else
  return low;
#endif
#else
  return part0;
#endif
#endif
}

// A column's table, in registers.
struct Nibbles {
  HWY_INLINE explicit Nibbles(const RansNibbleDecode& table) {
    const SignedTag tag;
    const WordTag words;
    level1 = hn::LoadDup128(tag, table.level1);
    level2 = hn::LoadDup128(tag, table.level2);
    level3 = hn::LoadDup128(tag, table.level3);
    start_odd = hn::LoadDup128(tag, table.start_odd);
    start_even = hn::LoadDup128(tag, table.start_even);
    frequency_even = hn::LoadDup128(words, table.frequency_even);
    frequency_odd = hn::LoadDup128(words, table.frequency_odd);
  }
  Signed level1, level2, level3, start_odd, start_even;
  Words frequency_even, frequency_odd;
};

struct Found {
  Words frequency;
  Words offset;    // of the slot within its symbol
  Signed symbols;  // in the low bytes
};

HWY_INLINE Words slots_of(Words low) { return hn::And(low, hn::Set(WordTag(), kRansSlots - 1)); }

HWY_INLINE Found look_up(const Nibbles& table, Words slot) {
  const WordTag words;
  const SignedTag tag;
  const Signed at = hn::BitCast(tag, slot);
  // Both bytes of a lane's table index: 0x0100 + 0x0202 * (the symbol's bits so far).
  const Signed one = hn::Set(tag, 0x0102);
  const Signed none = hn::Set(tag, -0x0100);
  Signed index =
      hn::IfThenElse(hn::Gt(at, table.level1), hn::Set(tag, 0x0302), hn::Set(tag, 0x0100));
  auto is_upper = hn::Gt(at, hn::TableLookupBytes(table.level2, index));
  index = hn::Add(hn::Add(index, index), hn::IfThenElse(is_upper, one, none));
  is_upper = hn::Gt(at, hn::TableLookupBytes(table.level3, index));
  index = hn::Add(hn::Add(index, index), hn::IfThenElse(is_upper, one, none));
  const Signed odd = hn::TableLookupBytes(table.start_odd, index);
  const auto is_odd = hn::Gt(at, odd);
  const Words pair = hn::BitCast(words, index);
  const Signed start =  // less one
      hn::IfThenElse(is_odd, odd, hn::TableLookupBytes(table.start_even, index));
  return {.frequency = hn::IfThenElse(hn::RebindMask(words, is_odd),
                                      hn::TableLookupBytes(table.frequency_odd, pair),
                                      hn::TableLookupBytes(table.frequency_even, pair)),
          .offset = hn::BitCast(words, hn::Sub(hn::Sub(at, start), hn::Set(tag, 1))),
          .symbols = hn::Sub(index, hn::VecFromMask(tag, is_odd))};
}

#if HWY_TARGET <= HWY_AVX3  // and x86: tables of words in registers
#define SLUICE_RANS_HAS_WORD_TABLES 1

// A level of the tree, with the words of `node`'s low bits: tables of up to 128 words.
template <int kLevel>
HWY_INLINE __m512i keys_at(const std::uint16_t* tree, __m512i node) {
  const auto words_from = [tree](std::size_t at) HWY_ATTR { return _mm512_load_si512(tree + at); };
  if constexpr (kLevel < 5) {
    return _mm512_permutexvar_epi16(node, words_from(0));
  } else if constexpr (kLevel == 5) {
    return _mm512_permutexvar_epi16(node, words_from(32));
  } else if constexpr (kLevel == 6) {
    return _mm512_permutex2var_epi16(words_from(64), node, words_from(96));
  } else {
    const __m512i low = _mm512_permutex2var_epi16(words_from(128), node, words_from(160));
    const __m512i high = _mm512_permutex2var_epi16(words_from(192), node, words_from(224));
    return _mm512_mask_mov_epi16(low, _mm512_test_epi16_mask(node, _mm512_set1_epi16(64)), high);
  }
}

// A search in progress: the last key that is not above the slot, and the first that is.
struct TreeSearch {
  __m512i slot;
  __m512i node;
  __m512i start;
  __m512i end;
};

template <int kLevel, std::size_t kCount>
HWY_INLINE void descend(const std::uint16_t* tree, TreeSearch* searches) {
  if constexpr (kLevel < 8) {
    for (std::size_t s = 0; s < kCount; ++s) {
      TreeSearch& search = searches[s];
      const __m512i keys = keys_at<kLevel>(tree, search.node);
      const __mmask32 is_right = _mm512_cmpge_epu16_mask(search.slot, keys);
      const __m512i left = _mm512_add_epi16(search.node, search.node);
      search.node = _mm512_mask_add_epi16(left, is_right, left, _mm512_set1_epi16(1));
      search.start = _mm512_mask_mov_epi16(search.start, is_right, keys);
      search.end = _mm512_mask_mov_epi16(keys, is_right, search.end);
    }
    descend<kLevel + 1, kCount>(tree, searches);
  }
}

// One vector for each stream: their latencies overlap.
template <std::size_t kCount>
HWY_INLINE void look_up_wide(const RansWideDecode& table, const Words* low, Found* found) {
  TreeSearch searches[kCount];
  for (std::size_t s = 0; s < kCount; ++s) {
    searches[s] = {.slot = slots_of(low[s]).raw,
                   .node = _mm512_set1_epi16(1),
                   .start = _mm512_setzero_si512(),
                   .end = _mm512_set1_epi16(static_cast<short>(kRansSlots))};
  }
  descend<0, kCount>(table.tree, searches);
  for (std::size_t s = 0; s < kCount; ++s) {
    const TreeSearch& search = searches[s];
    found[s] = {.frequency = Words{_mm512_sub_epi16(search.end, search.start)},
                .offset = Words{_mm512_sub_epi16(search.slot, search.start)},
                .symbols = Signed{search.node}};
  }
}

#endif

// One part of a team's lanes after a symbol: the states' step, and new words where they are small.
template <bool kIsPartial>
HWY_INLINE void advance(const Found& found, WordMask valid, Words& high, Words& low,
                        const std::uint16_t*& next, const std::uint16_t* overrun) {
  const WordTag words;
  const Words rest =
      hn::Add(hn::Mul(found.frequency, hn::ShiftRight<kRansPrecision>(low)), found.offset);
  const Words scaled = hn::ShiftLeft<16 - kRansPrecision>(found.frequency);
  Words low_after = hn::Add(hn::Mul(scaled, high), rest);
  const Words carry = hn::VecFromMask(words, hn::Lt(low_after, rest));  // -1 where there is one
  Words high_after = hn::Sub(hn::MulHigh(scaled, high), carry);
  if constexpr (kIsPartial) {
    low_after = hn::IfThenElse(valid, low_after, low);
    high_after = hn::IfThenElse(valid, high_after, high);
  }
  WordMask wants = hn::Eq(high_after, hn::Zero(words));
  if constexpr (kIsPartial) wants = hn::And(wants, valid);
  const std::uint32_t bits = bits_of(wants);
  high = hn::IfThenElse(wants, low_after, high_after);
  low = hn::IfThenElse(wants, spread(next, bits), low_after);
  next = std::min(next + std::popcount(bits), overrun);
}

HWY_INLINE void store_symbols(Signed symbols, std::uint8_t* to) {
  const WordTag words;
  const hn::Rebind<std::uint8_t, WordTag> bytes;
  hn::StoreU(hn::TruncateTo(bytes, hn::BitCast(words, symbols)), bytes, to);
}

// `kCount` streams, each on its own team, through columns [first, last) into their tiles. All teams
// have 32 rows, or `rows` if kIsPartial.
template <int kCount, bool kIsPartial>
HWY_INLINE void decode_chunk(const DecodeJob& job, DecodeStream* streams, std::int64_t first,
                             std::int64_t last, std::int64_t rows) {
  const WordTag words;
  Words high[kCount * kParts];
  Words low[kCount * kParts];
  WordMask valid[kParts];
  const std::uint16_t* next[kCount];  // in registers, which the streams' are not
  for (int s = 0; s < kCount; ++s) next[s] = streams[s].next;
  for (std::size_t i = 0; i < kCount * kParts; ++i) {
    high[i] = hn::Load(words, streams[i / kParts].high + i % kParts * kWidth);
    low[i] = hn::Load(words, streams[i / kParts].low + i % kParts * kWidth);
  }
  for (std::size_t part = 0; part < kParts; ++part) {
    const auto before = static_cast<std::int64_t>(part * kWidth);
    valid[part] =
        hn::FirstN(words, static_cast<std::size_t>(std::max<std::int64_t>(rows - before, 0)));
  }
  for (std::int64_t i = first; i < last; ++i) {
    const RansColumn column = job.tables->columns[static_cast<std::size_t>(i)];
    const std::int64_t place = (i - first) * kRansLanes;
    if (column.is_wide != 0) {
#ifdef SLUICE_RANS_HAS_WORD_TABLES
      Found found[kCount];
      look_up_wide<kCount>(job.tables->wide[column.table], low, found);
      for (std::size_t s = 0; s < kCount; ++s) {
        advance<kIsPartial>(found[s], valid[0], high[s], low[s], next[s], streams[s].overrun);
        store_symbols(found[s].symbols, streams[s].tile + place);
      }
#else
      for (std::size_t s = 0; s < kCount; ++s) {
        WideLookup lanes;
        for (std::size_t part = 0; part < kParts; ++part) {
          hn::Store(slots_of(low[s * kParts + part]), words, lanes.slot + part * kWidth);
        }
        look_up_wide(job.tables->wide[column.table], rows, lanes, streams[s].tile + place);
        for (std::size_t part = 0; part < kParts; ++part) {
          const Found found{.frequency = hn::Load(words, lanes.frequency + part * kWidth),
                            .offset = hn::Load(words, lanes.offset + part * kWidth),
                            .symbols = hn::Zero(SignedTag())};
          advance<kIsPartial>(found, valid[part], high[s * kParts + part], low[s * kParts + part],
                              next[s], streams[s].overrun);
        }
      }
#endif
      continue;
    }
    const Nibbles table(job.tables->nibble[column.table]);
    for (std::size_t part = 0; part < kParts; ++part) {
      for (std::size_t s = 0; s < kCount; ++s) {
        const std::size_t at = s * kParts + part;
        const Found found = look_up(table, slots_of(low[at]));
        advance<kIsPartial>(found, valid[part], high[at], low[at], next[s], streams[s].overrun);
        store_symbols(found.symbols, streams[s].tile + place + part * kWidth);
      }
    }
  }
  for (int s = 0; s < kCount; ++s) streams[s].next = next[s];
  for (std::size_t i = 0; i < kCount * kParts; ++i) {
    hn::Store(high[i], words, streams[i / kParts].high + i % kParts * kWidth);
    hn::Store(low[i], words, streams[i / kParts].low + i % kParts * kWidth);
  }
}

void put_tile(const DecodeJob& job, const DecodeStream& stream, std::int64_t first,
              std::int64_t columns) {
  const RansColumn* by_column = job.tables->columns.data() + first;
  const bool is_dense = by_column[columns - 1].column - by_column[0].column + 1 == columns;
  if (!is_dense || columns % kPatch != 0 || job.layout.rows_of(stream.team) != kRansLanes) {
    return scatter_tile(job, stream, first, columns);
  }
  std::uint8_t* base = job.symbols + stream.team * kRansLanes * job.stride + by_column[0].column;
  for (std::int64_t row = 0; row < kRansLanes; row += kPatch) {
    for (std::int64_t i = 0; i < columns; i += kPatch) {
      transpose_patch(stream.tile + i * kRansLanes + row, kRansLanes, base + row * job.stride + i,
                      job.stride);
    }
  }
}

// `teams` teams of each stream.
template <int kCount, bool kIsPartial>
HWY_NOINLINE void decode_teams(const DecodeJob& job, DecodeStream* streams, std::int64_t teams) {
  for (std::int64_t team = 0; team < teams; ++team) {
    const std::int64_t rows = job.layout.rows_of(streams[0].team);
    for (std::int64_t first = 0; first < job.layout.columns; first += kChunkColumns) {
      const std::int64_t last = std::min(first + kChunkColumns, job.layout.columns);
      decode_chunk<kCount, kIsPartial>(job, streams, first, last, rows);
      for (int s = 0; s < kCount; ++s) put_tile(job, streams[s], first, last - first);
    }
    for (int s = 0; s < kCount; ++s) ++streams[s].team;
  }
}

bool decode_target(const RansProblem& problem, const std::vector<RansBlockWords>& blocks,
                   std::uint8_t* symbols) {
  const RansDecodeTables tables = decode_tables(problem.groups, problem.model);
  const DecodeJob job{problem.layout(), &tables, symbols,
                      static_cast<std::int64_t>(problem.groups.all_columns)};
  std::array<DecodeStream, kStreams> streams;
  bool is_well = true;
  const auto last_block = static_cast<std::int64_t>(blocks.size());
  for (std::int64_t block = 0; block < last_block; block += kStreams) {
    const int count = static_cast<int>(std::min<std::int64_t>(kStreams, last_block - block));
    // Teams of 32 rows that every one of these blocks has.
    std::int64_t shared = job.layout.teams();
    for (int s = 0; s < count; ++s) {
      const std::int64_t end = job.layout.first_team(block + s + 1);
      streams[s].team = job.layout.first_team(block + s);
      start_stream(job, blocks[static_cast<std::size_t>(block + s)], streams[s]);
      const bool is_cut = job.layout.rows_of(end - 1) != kRansLanes;
      shared = std::min(shared, end - streams[s].team - (is_cut ? 1 : 0));
    }
    if (count == kStreams) {
      decode_teams<kStreams, false>(job, streams.data(), shared);
    }
    for (int s = 0; s < count; ++s) {
      const std::int64_t end = job.layout.first_team(block + s + 1);
      const bool is_cut = job.layout.rows_of(end - 1) != kRansLanes;
      decode_teams<1, false>(job, &streams[s], end - streams[s].team - (is_cut ? 1 : 0));
      if (is_cut) decode_teams<1, true>(job, &streams[s], 1);
      is_well &= ends_well(job, streams[s]);
    }
  }
  return is_well;
}

#endif

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#undef SLUICE_RANS_HAS_WORD_TABLES

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(decode_target);

bool rans_decode(const RansProblem& problem, const std::vector<RansBlockWords>& blocks,
                 std::uint8_t* symbols) {
  return HWY_DYNAMIC_DISPATCH(decode_target)(problem, blocks, symbols);
}

}  // namespace sluice::kernels
#endif
