// SPDX-License-Identifier: Apache-2.0
// Encoding goes backwards and a decoder forwards, so lane l is kept at place 31 - l, words are
// appended in that order, and a block's words are turned round at its end.
//
// x = whole * frequency + rest by a reciprocal r = floor(2^32 / frequency): x * r / 2^32 falls
// short of x / frequency by less than 1 + 2^-32 x (2^32 / frequency - r) < 2, so that one
// correction by the rest (below 2 * frequency, and so 16 bits) is enough.
#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/stages/entropy/rans/rans_coder.hpp"
#include "kernels/stages/entropy/rans/rans_tables.hpp"

// As in rans_decode.cpp.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/entropy/rans/rans_encode.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/stages/entropy/rans/byte_transpose-inl.h"

#ifndef SLUICE_RANS_ENCODE_ONCE
#define SLUICE_RANS_ENCODE_ONCE
namespace sluice::kernels {
namespace {

constexpr std::int64_t kChunkColumns = 64;

// By which of 8 lanes give a word: the bytes that bring those words to the front.
struct alignas(64) PackTable {
  std::uint8_t bytes[256][16];
};
constexpr PackTable make_pack_table() {
  PackTable table{};
  for (unsigned mask = 0; mask < 256; ++mask) {
    unsigned word = 0;
    for (unsigned lane = 0; lane < 8; ++lane) {
      if ((mask >> lane & 1U) == 0) continue;
      table.bytes[mask][2 * word] = static_cast<std::uint8_t>(2 * lane);
      table.bytes[mask][2 * word + 1] = static_cast<std::uint8_t>(2 * lane + 1);
      ++word;
    }
  }
  return table;
}
[[maybe_unused]] constexpr PackTable kPackWords = make_pack_table();

// Of four 32-bit values: the bytes of the low halves, then of the high halves.
alignas(16) constexpr std::uint8_t kHalvesApart[16] = {0, 1, 4, 5, 8,  9,  12, 13,
                                                       2, 3, 6, 7, 10, 11, 14, 15};

struct EncodeJob {
  RansLayout layout;
  const RansEncodeTables* tables;
  const std::uint8_t* symbols;
  std::int64_t stride;
};

// A block on its way: lane l's state and symbols at place 31 - l.
struct EncodeStream {
  alignas(64) std::uint16_t high[kRansLanes];
  alignas(64) std::uint16_t low[kRansLanes];
  std::uint16_t* next = nullptr;
  alignas(64) std::uint8_t tile[kChunkColumns * kRansLanes];
};

// What a place's symbol needs, from a wide table.
struct WideLookup {
  alignas(64) std::uint16_t frequency[kRansLanes];
  alignas(64) std::uint16_t start[kRansLanes];
  alignas(64) std::uint16_t reciprocal_low[kRansLanes];
  alignas(64) std::uint16_t reciprocal_high[kRansLanes];
};

[[maybe_unused]] void look_up_wide(const RansWideEncode& table, const std::uint8_t* symbols,
                                   WideLookup& lanes) {
  for (std::int64_t place = 0; place < kRansLanes; ++place) {
    const std::uint8_t symbol = symbols[place];
    lanes.frequency[place] = table.frequency[symbol];
    lanes.start[place] = table.start[symbol];
    lanes.reciprocal_low[place] = table.reciprocal_low[symbol];
    lanes.reciprocal_high[place] = table.reciprocal_high[symbol];
  }
}

// What take_tile does where a whole patch does not fit or the columns are apart.
void gather_tile(const EncodeJob& job, std::int64_t team, std::int64_t first, std::int64_t columns,
                 EncodeStream& stream) {
  const std::int64_t rows = job.layout.rows_of(team);
  const std::uint8_t* base = job.symbols + team * kRansLanes * job.stride;
  for (std::int64_t i = 0; i < columns; ++i) {
    const RansColumn& column = job.tables->columns[static_cast<std::size_t>(first + i)];
    std::uint8_t* to = stream.tile + i * kRansLanes;
    std::memset(to, 0, static_cast<std::size_t>(kRansLanes - rows));
    for (std::int64_t row = 0; row < rows; ++row) {
      to[kRansLanes - 1 - row] = base[row * job.stride + column.column];
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

RansWords encode_target(const RansProblem& problem, const std::uint8_t* symbols) {
  return rans_encode_plain(problem, symbols);
}

#else

using WordTag = hn::CappedTag<std::uint16_t, 32>;
using SignedTag = hn::Rebind<std::int16_t, WordTag>;
using StateTag = hn::RepartitionToWide<WordTag>;
using Words = hn::Vec<WordTag>;
using States = hn::Vec<StateTag>;
using WordMask = hn::Mask<WordTag>;

constexpr std::size_t kWidth = hn::MaxLanes(WordTag());
constexpr std::size_t kParts = kRansLanes / kWidth;  // vectors per stream

// Appends the lanes of `gives`, in order; writes up to 32 words. Returns the new end.
HWY_INLINE std::uint16_t* append_words(Words low, WordMask gives, std::uint16_t* next) {
  const WordTag tag;
#if HWY_TARGET == HWY_AVX3_DL
  // Not CompressStore: with a memory operand it is microcode on AMD's Zen 4.
  hn::StoreU(hn::Compress(low, gives), tag, next);
  return next + hn::CountTrue(tag, gives);
#else
  std::uint8_t bits[8];
  hn::StoreMaskBits(tag, gives, bits);
  alignas(64) std::uint16_t words[kWidth];
  hn::Store(low, tag, words);
  const hn::Full128<std::uint8_t> bytes;
  for (std::size_t i = 0; i < kWidth / 8; ++i) {
    const auto table = hn::Load(bytes, kPackWords.bytes[bits[i]]);
    const auto from = hn::Load(bytes, reinterpret_cast<const std::uint8_t*>(words + 8 * i));
    hn::StoreU(hn::TableLookupBytes(from, table), bytes, reinterpret_cast<std::uint8_t*>(next));
    next += std::popcount(bits[i]);
  }
  return next;
#endif
}

struct Nibbles {
  HWY_INLINE explicit Nibbles(const RansNibbleEncode& table) {
    const WordTag tag;
    frequency[0] = hn::LoadDup128(tag, table.frequency_even);
    frequency[1] = hn::LoadDup128(tag, table.frequency_odd);
    start[0] = hn::LoadDup128(tag, table.start_even);
    start[1] = hn::LoadDup128(tag, table.start_odd);
    low[0] = hn::LoadDup128(tag, table.reciprocal_low_even);
    low[1] = hn::LoadDup128(tag, table.reciprocal_low_odd);
    high[0] = hn::LoadDup128(tag, table.reciprocal_high_even);
    high[1] = hn::LoadDup128(tag, table.reciprocal_high_odd);
  }
  Words frequency[2], start[2], low[2], high[2];
};

// The high 32 bits of the products.
HWY_INLINE States multiply_high(States a, States b) {
  const StateTag tag;
  const hn::RepartitionToWide<StateTag> wide;
  const auto shifted = [&](States v) HWY_ATTR {
    return hn::BitCast(tag, hn::ShiftRight<32>(hn::BitCast(wide, v)));
  };
  const States even = shifted(hn::BitCast(tag, hn::MulEven(a, b)));
  const States odd = hn::BitCast(tag, hn::MulEven(shifted(a), shifted(b)));
  return hn::OddEven(odd, even);
}

struct Found {
  Words frequency;
  Words start;
  Words reciprocal_low;
  Words reciprocal_high;
};

HWY_INLINE Found look_up(const Nibbles& table, Words symbols) {
  const WordTag tag;
  // Both bytes of a lane's table index, 0x0100 + 0x0202 * (symbol / 2).
  const Words even = hn::And(symbols, hn::Set(tag, 0x0e));
  const Words index = hn::Add(hn::Or(even, hn::ShiftLeft<8>(even)), hn::Set(tag, 0x0100));
  const WordMask is_odd = hn::TestBit(symbols, hn::Set(tag, 1));
  const auto pick = [&](const Words* pair) HWY_ATTR {
    return hn::IfThenElse(is_odd, hn::TableLookupBytes(pair[1], index),
                          hn::TableLookupBytes(pair[0], index));
  };
  return {.frequency = pick(table.frequency),
          .start = pick(table.start),
          .reciprocal_low = pick(table.low),
          .reciprocal_high = pick(table.high)};
}

#if HWY_TARGET <= HWY_AVX3  // and x86: tables of words in registers
#define SLUICE_RANS_HAS_WORD_TABLES 1

// Words of a table of 256.
HWY_INLINE Words pick_word(const std::uint16_t* table, __m512i symbols, __mmask32 is_64,
                           __mmask32 is_128) {
  const auto quarter = [=](std::size_t at) HWY_ATTR {
    return _mm512_permutex2var_epi16(_mm512_load_si512(table + at), symbols,
                                     _mm512_load_si512(table + at + 32));
  };
  const __m512i low = _mm512_mask_mov_epi16(quarter(0), is_64, quarter(64));
  const __m512i high = _mm512_mask_mov_epi16(quarter(128), is_64, quarter(192));
  return Words{_mm512_mask_mov_epi16(low, is_128, high)};
}

HWY_INLINE Found look_up(const RansWideEncode& table, Words symbols) {
  const __mmask32 is_64 = _mm512_test_epi16_mask(symbols.raw, _mm512_set1_epi16(64));
  const __mmask32 is_128 = _mm512_test_epi16_mask(symbols.raw, _mm512_set1_epi16(128));
  return {.frequency = pick_word(table.frequency, symbols.raw, is_64, is_128),
          .start = pick_word(table.start, symbols.raw, is_64, is_128),
          .reciprocal_low = pick_word(table.reciprocal_low, symbols.raw, is_64, is_128),
          .reciprocal_high = pick_word(table.reciprocal_high, symbols.raw, is_64, is_128)};
}

#endif

// One part of a team's places takes its symbols in.
template <bool kIsPartial>
HWY_INLINE void advance(const Found& found, WordMask valid, Words& high, Words& low,
                        std::uint16_t*& next) {
  const WordTag tag;
  const SignedTag sign;
  const Words frequency = found.frequency;
  // Both sides are below 2^14: a signed comparison will do.
  const Words top = hn::ShiftRight<16 - kRansPrecision>(high);
  const WordMask keeps =
      hn::RebindMask(tag, hn::Gt(hn::BitCast(sign, frequency), hn::BitCast(sign, top)));
  const WordMask gives = kIsPartial ? hn::AndNot(keeps, valid) : hn::Not(keeps);
  next = append_words(low, gives, next);
  const Words low_kept = hn::IfThenElse(gives, high, low);
  const Words high_kept = hn::IfThenZeroElse(gives, high);

  // Within blocks of 128 bits, interleaving and taking apart undo each other.
  const auto lower = [&](Words a, Words b) HWY_ATTR {
    return hn::BitCast(StateTag(), hn::InterleaveLower(tag, a, b));
  };
  const auto upper = [&](Words a, Words b) HWY_ATTR {
    return hn::BitCast(StateTag(), hn::InterleaveUpper(tag, a, b));
  };
  const States whole_a =
      multiply_high(lower(low_kept, high_kept), lower(found.reciprocal_low, found.reciprocal_high));
  const States whole_b =
      multiply_high(upper(low_kept, high_kept), upper(found.reciprocal_low, found.reciprocal_high));
  const hn::RepartitionToWide<StateTag> pair;
  const auto split = [&](States v) HWY_ATTR {
    const auto table = hn::LoadDup128(hn::Repartition<std::uint8_t, WordTag>(), kHalvesApart);
    return hn::BitCast(pair, hn::TableLookupBytes(v, hn::BitCast(StateTag(), table)));
  };
  const auto halves_a = split(whole_a);
  const auto halves_b = split(whole_b);
  const Words whole_low = hn::BitCast(tag, hn::InterleaveLower(pair, halves_a, halves_b));
  const Words whole_high = hn::BitCast(tag, hn::InterleaveUpper(pair, halves_a, halves_b));

  Words rest = hn::Sub(low_kept, hn::Mul(whole_low, frequency));
  const Words is_short = hn::VecFromMask(
      tag,
      hn::RebindMask(tag, hn::Not(hn::Gt(hn::BitCast(sign, frequency), hn::BitCast(sign, rest)))));
  rest = hn::Sub(rest, hn::And(is_short, frequency));
  const Words exact_low = hn::Sub(whole_low, is_short);
  const Words carry =  // -1 where adding the correction wrapped
      hn::And(is_short, hn::VecFromMask(tag, hn::Eq(exact_low, hn::Zero(tag))));
  const Words exact_high = hn::Sub(whole_high, carry);
  const Words low_after =
      hn::Or(hn::ShiftLeft<kRansPrecision>(exact_low), hn::Add(rest, found.start));
  const Words high_after = hn::Or(hn::ShiftRight<16 - kRansPrecision>(exact_low),
                                  hn::ShiftLeft<kRansPrecision>(exact_high));
  low = kIsPartial ? hn::IfThenElse(valid, low_after, low) : low_after;
  high = kIsPartial ? hn::IfThenElse(valid, high_after, high) : high_after;
}

// Columns [first, last) of a team in the tile, backwards.
template <bool kIsPartial>
HWY_NOINLINE void encode_chunk(const EncodeJob& job, EncodeStream& stream, std::int64_t first,
                               std::int64_t last, std::int64_t rows) {
  const WordTag tag;
  const hn::Rebind<std::uint8_t, WordTag> bytes;
  Words high[kParts];
  Words low[kParts];
  WordMask valid[kParts];
  std::uint16_t* next = stream.next;
  for (std::size_t part = 0; part < kParts; ++part) {
    high[part] = hn::Load(tag, stream.high + part * kWidth);
    low[part] = hn::Load(tag, stream.low + part * kWidth);
    const auto before = static_cast<std::int64_t>(part * kWidth);
    const std::int64_t empty = std::max<std::int64_t>(kRansLanes - rows - before, 0);
    valid[part] = hn::Not(hn::FirstN(tag, static_cast<std::size_t>(empty)));
  }
  for (std::int64_t i = last - 1; i >= first; --i) {
    const RansColumn column = job.tables->columns[static_cast<std::size_t>(i)];
    const std::uint8_t* symbols = stream.tile + (i - first) * kRansLanes;
    if (column.is_wide != 0) {
#ifdef SLUICE_RANS_HAS_WORD_TABLES
      const Words of_team = hn::PromoteTo(tag, hn::LoadU(bytes, symbols));
      advance<kIsPartial>(look_up(job.tables->wide[column.table], of_team), valid[0], high[0],
                          low[0], next);
#else
      WideLookup lanes;
      look_up_wide(job.tables->wide[column.table], symbols, lanes);
      for (std::size_t part = 0; part < kParts; ++part) {
        const Found found{.frequency = hn::Load(tag, lanes.frequency + part * kWidth),
                          .start = hn::Load(tag, lanes.start + part * kWidth),
                          .reciprocal_low = hn::Load(tag, lanes.reciprocal_low + part * kWidth),
                          .reciprocal_high = hn::Load(tag, lanes.reciprocal_high + part * kWidth)};
        advance<kIsPartial>(found, valid[part], high[part], low[part], next);
      }
#endif
      continue;
    }
    const Nibbles table(job.tables->nibble[column.table]);
    for (std::size_t part = 0; part < kParts; ++part) {
      const Words of_part = hn::PromoteTo(tag, hn::LoadU(bytes, symbols + part * kWidth));
      advance<kIsPartial>(look_up(table, of_part), valid[part], high[part], low[part], next);
    }
  }
  stream.next = next;
  for (std::size_t part = 0; part < kParts; ++part) {
    hn::Store(high[part], tag, stream.high + part * kWidth);
    hn::Store(low[part], tag, stream.low + part * kWidth);
  }
}

void take_tile(const EncodeJob& job, std::int64_t team, std::int64_t first, std::int64_t columns,
               EncodeStream& stream) {
  const RansColumn* by_column = job.tables->columns.data() + first;
  const bool is_dense = by_column[columns - 1].column - by_column[0].column + 1 == columns;
  if (!is_dense || columns % kPatch != 0 || job.layout.rows_of(team) != kRansLanes) {
    return gather_tile(job, team, first, columns, stream);
  }
  const std::uint8_t* base = job.symbols + team * kRansLanes * job.stride + by_column[0].column;
  for (std::int64_t place = 0; place < kRansLanes; place += kPatch) {
    for (std::int64_t i = 0; i < columns; i += kPatch) {
      transpose_patch(base + (kRansLanes - 1 - place) * job.stride + i, -job.stride,
                      stream.tile + i * kRansLanes + place, kRansLanes);
    }
  }
}

// Block `block` to the front of `words`, turned round; returns how many.
std::size_t encode_block(const EncodeJob& job, std::int64_t block, std::uint16_t* words) {
  EncodeStream stream;
  std::fill(std::begin(stream.high), std::end(stream.high), std::uint16_t{1});
  std::fill(std::begin(stream.low), std::end(stream.low), std::uint16_t{0});
  stream.next = words;
  const std::int64_t chunks = (job.layout.columns + kChunkColumns - 1) / kChunkColumns;
  for (std::int64_t team = job.layout.first_team(block + 1) - 1;
       team >= job.layout.first_team(block); --team) {
    const std::int64_t rows = job.layout.rows_of(team);
    for (std::int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
      const std::int64_t first = chunk * kChunkColumns;
      const std::int64_t last = std::min(first + kChunkColumns, job.layout.columns);
      take_tile(job, team, first, last - first, stream);
      if (rows == kRansLanes) {
        encode_chunk<false>(job, stream, first, last, rows);
      } else {
        encode_chunk<true>(job, stream, first, last, rows);
      }
    }
  }
  const std::int64_t unused = kRansLanes - job.layout.lanes();
  for (const std::uint16_t* halves : {stream.low, stream.high}) {
    stream.next = std::copy(halves + unused, halves + kRansLanes, stream.next);
  }
  return static_cast<std::size_t>(stream.next - words);
}

RansWords encode_target(const RansProblem& problem, const std::uint8_t* symbols) {
  const RansLayout layout = problem.layout();
  const RansEncodeTables tables = encode_tables(problem.groups, problem.model);
  const EncodeJob job{layout, &tables, symbols,
                      static_cast<std::int64_t>(problem.groups.all_columns)};
  RansWords coded;
  coded.words_first.push_back(0);
  // About four bits a symbol; growing copies.
  coded.words.reserve(static_cast<std::size_t>(layout.rows * layout.columns) / 4);
  std::vector<std::uint16_t> reversed;
  for (std::int64_t block = 0; block < layout.blocks(); ++block) {
    // Storing what is compressed writes a whole vector.
    reversed.resize(static_cast<std::size_t>(layout.words_max(block) + kRansLanes));
    const std::size_t count = encode_block(job, block, reversed.data());
    const std::size_t before = coded.words.size();
    coded.words.resize(before + count);
    std::reverse_copy(reversed.begin(), reversed.begin() + static_cast<std::ptrdiff_t>(count),
                      coded.words.begin() + static_cast<std::ptrdiff_t>(before));
    coded.words_first.push_back(before + count);
  }
  return coded;
}

#endif

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#undef SLUICE_RANS_HAS_WORD_TABLES

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(encode_target);

RansWords rans_encode(const RansProblem& problem, const std::uint8_t* symbols) {
  return HWY_DYNAMIC_DISPATCH(encode_target)(problem, symbols);
}

}  // namespace sluice::kernels
#endif
