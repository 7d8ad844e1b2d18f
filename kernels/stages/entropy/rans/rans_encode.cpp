// SPDX-License-Identifier: Apache-2.0
// Encoding goes backwards and a decoder forwards, so lane l is kept at place 31 - l, words are
// appended in that order, and a block's words are turned round at its end.
//
// x = whole * frequency + rest by a reciprocal r = floor(2^32 / frequency): x * r / 2^32 falls
// short of x / frequency by less than 1 + 2^-32 x (2^32 / frequency - r) < 2, so that one
// correction by the rest (below 2 * frequency, and so 16 bits) is enough.
#include <algorithm>
#include <array>
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

// A column of wide symbols at places [first, 32).
void wide_step(const RansWideEncode& table, std::int64_t first, EncodeStream& stream,
               const std::uint8_t* symbols) {
  for (std::int64_t place = first; place < kRansLanes; ++place) {
    std::uint32_t state = std::uint32_t{stream.high[place]} << 16 | stream.low[place];
    const std::uint32_t frequency = table.frequency[symbols[place]];
    const bool gives = state >> (32 - kRansPrecision) >= frequency;
    *stream.next = static_cast<std::uint16_t>(state);
    stream.next += gives ? 1 : 0;
    state = gives ? state >> 16 : state;
    auto whole =
        static_cast<std::uint32_t>((std::uint64_t{state} * table.reciprocal[symbols[place]]) >> 32);
    std::uint32_t rest = state - whole * frequency;
    const bool is_short = rest >= frequency;
    whole += is_short ? 1U : 0U;
    rest -= is_short ? frequency : 0U;
    state = (whole << kRansPrecision) + rest + table.start[symbols[place]];
    stream.high[place] = static_cast<std::uint16_t>(state >> 16);
    stream.low[place] = static_cast<std::uint16_t>(state);
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

// One part of a team's places on one column.
template <bool kIsPartial>
HWY_INLINE void nibble_step(const Nibbles& table, WordMask valid, Words symbols, Words& high,
                            Words& low, std::uint16_t*& next) {
  const WordTag tag;
  const SignedTag sign;
  // Both bytes of a lane's table index, 0x0100 + 0x0202 * (symbol / 2).
  const Words even = hn::And(symbols, hn::Set(tag, 0x0e));
  const Words index = hn::Add(hn::Or(even, hn::ShiftLeft<8>(even)), hn::Set(tag, 0x0100));
  const WordMask is_odd = hn::TestBit(symbols, hn::Set(tag, 1));
  const auto look_up = [&](const Words* pair) HWY_ATTR {
    return hn::IfThenElse(is_odd, hn::TableLookupBytes(pair[1], index),
                          hn::TableLookupBytes(pair[0], index));
  };
  const Words frequency = look_up(table.frequency);
  const Words start = look_up(table.start);
  const Words reciprocal_low = look_up(table.low);
  const Words reciprocal_high = look_up(table.high);

  // Both sides are below 2^14: a signed comparison will do.
  const Words top = hn::ShiftRight<16 - kRansPrecision>(high);
  const WordMask keeps =
      hn::RebindMask(tag, hn::Gt(hn::BitCast(sign, frequency), hn::BitCast(sign, top)));
  const WordMask gives = kIsPartial ? hn::AndNot(keeps, valid) : hn::Not(keeps);
  next += hn::CompressStore(low, gives, tag, next);
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
      multiply_high(lower(low_kept, high_kept), lower(reciprocal_low, reciprocal_high));
  const States whole_b =
      multiply_high(upper(low_kept, high_kept), upper(reciprocal_low, reciprocal_high));
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
  const Words low_after = hn::Or(hn::ShiftLeft<kRansPrecision>(exact_low), hn::Add(rest, start));
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
  std::uint16_t* next = nullptr;
  const auto load = [&]() HWY_ATTR {
    next = stream.next;
    for (std::size_t part = 0; part < kParts; ++part) {
      high[part] = hn::Load(tag, stream.high + part * kWidth);
      low[part] = hn::Load(tag, stream.low + part * kWidth);
    }
  };
  const auto store = [&]() HWY_ATTR {
    stream.next = next;
    for (std::size_t part = 0; part < kParts; ++part) {
      hn::Store(high[part], tag, stream.high + part * kWidth);
      hn::Store(low[part], tag, stream.low + part * kWidth);
    }
  };
  for (std::size_t part = 0; part < kParts; ++part) {
    const auto before = static_cast<std::int64_t>(part * kWidth);
    const std::int64_t empty = std::max<std::int64_t>(kRansLanes - rows - before, 0);
    valid[part] = hn::Not(hn::FirstN(tag, static_cast<std::size_t>(empty)));
  }
  load();
  for (std::int64_t i = last - 1; i >= first; --i) {
    const RansColumn column = job.tables->columns[static_cast<std::size_t>(i)];
    const std::uint8_t* symbols = stream.tile + (i - first) * kRansLanes;
    if (column.is_wide != 0) {
      store();
      wide_step(job.tables->wide[column.table], kRansLanes - rows, stream, symbols);
      load();
      continue;
    }
    const Nibbles table(job.tables->nibble[column.table]);
    for (std::size_t part = 0; part < kParts; ++part) {
      const Words of_part = hn::PromoteTo(tag, hn::LoadU(bytes, symbols + part * kWidth));
      nibble_step<kIsPartial>(table, valid[part], of_part, high[part], low[part], next);
    }
  }
  store();
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

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(encode_target);

RansWords rans_encode(const RansProblem& problem, const std::uint8_t* symbols) {
  return HWY_DYNAMIC_DISPATCH(encode_target)(problem, symbols);
}

}  // namespace sluice::kernels
#endif
