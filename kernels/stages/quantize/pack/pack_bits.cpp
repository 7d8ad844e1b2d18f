// SPDX-License-Identifier: Apache-2.0
// Eight symbols of b bits are b bytes. The vector kernels double the packed width three times
// (bytes to pairs to fours to eights), all lanes at once; columns of other widths, and what is left
// of a run of equal ones, go bit by bit through one 64-bit word.
#include "kernels/stages/quantize/pack/pack_bits.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/core/check.hpp"

// Vectors are cut into halves here, which scalable ones cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/quantize/pack/pack_bits.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR  // words alone there

using ByteTag = hn::ScalableTag<std::uint8_t>;
using PairTag = hn::Repartition<std::uint16_t, ByteTag>;
using FourTag = hn::Repartition<std::uint32_t, ByteTag>;
using EightTag = hn::Repartition<std::uint64_t, ByteTag>;

// What `low` keeps, and above it what `high` keeps of the lanes shifted down.
template <int kShift, class D>
HWY_INLINE hn::Vec<D> halves_joined(D d, hn::Vec<D> v, std::uint64_t low, std::uint64_t high) {
  using T = hn::TFromD<D>;
  return hn::Or(hn::And(v, hn::Set(d, static_cast<T>(low))),
                hn::And(hn::ShiftRight<kShift>(v), hn::Set(d, static_cast<T>(high))));
}

// Each 64-bit lane's eight symbols, in its low 8 * kBits bits.
template <int kBits>
HWY_INLINE hn::Vec<EightTag> join(hn::Vec<ByteTag> symbols) {
  constexpr std::uint64_t kOne = (std::uint64_t{1} << kBits) - 1;
  constexpr std::uint64_t kTwo = (std::uint64_t{1} << (2 * kBits)) - 1;
  constexpr std::uint64_t kFour = (std::uint64_t{1} << (4 * kBits)) - 1;
  const auto pairs =
      halves_joined<8 - kBits>(PairTag(), hn::BitCast(PairTag(), symbols), kOne, kOne << kBits);
  const auto fours = halves_joined<16 - 2 * kBits>(FourTag(), hn::BitCast(FourTag(), pairs), kTwo,
                                                   kTwo << (2 * kBits));
  return halves_joined<32 - 4 * kBits>(EightTag(), hn::BitCast(EightTag(), fours), kFour,
                                       kFour << (4 * kBits));
}

#endif

#if HWY_TARGET != HWY_SCALAR

using Sixteen = hn::Full128<std::uint8_t>;

// Each lane's low half, and what lies above it moved up to the upper half.
template <int kShift, class D>
HWY_INLINE hn::Vec<D> halves_split(D d, hn::Vec<D> v, std::uint64_t low) {
  using T = hn::TFromD<D>;
  constexpr int kHalf = 4 * sizeof(T);
  return hn::Or(hn::And(v, hn::Set(d, static_cast<T>(low))),
                hn::And(hn::ShiftLeft<kShift>(v), hn::Set(d, static_cast<T>(low << kHalf))));
}

// Sixteen symbols from the first 2 * kBits of sixteen bytes.
template <int kBits>
HWY_INLINE hn::Vec<Sixteen> split(hn::Vec<Sixteen> packed) {
  struct Order {
    alignas(16) std::uint8_t from[16];
    constexpr Order() : from() {
      for (int i = 0; i < 16; ++i) {
        from[i] = static_cast<std::uint8_t>(i < 8 ? i : kBits + i - 8);
      }
    }
  };
  static constexpr Order kOrder;
  constexpr std::uint64_t kOne = (std::uint64_t{1} << kBits) - 1;
  constexpr std::uint64_t kTwo = (std::uint64_t{1} << (2 * kBits)) - 1;
  constexpr std::uint64_t kFour = (std::uint64_t{1} << (4 * kBits)) - 1;
  const hn::Repartition<std::uint64_t, Sixteen> d64;
  const hn::Repartition<std::uint32_t, Sixteen> d32;
  const hn::Repartition<std::uint16_t, Sixteen> d16;
  const auto words = hn::TableLookupBytes(packed, hn::Load(Sixteen(), kOrder.from));
  const auto fours = halves_split<32 - 4 * kBits>(d64, hn::BitCast(d64, words), kFour);
  const auto pairs = halves_split<16 - 2 * kBits>(d32, hn::BitCast(d32, fours), kTwo);
  return hn::BitCast(Sixteen(), halves_split<8 - kBits>(d16, hn::BitCast(d16, pairs), kOne));
}

#endif

template <int kBits>
HWY_INLINE std::uint64_t split_word(std::uint64_t packed) {
  constexpr std::uint64_t kFour = (std::uint64_t{1} << (4 * kBits)) - 1;
  constexpr std::uint64_t kTwo = ((std::uint64_t{1} << (2 * kBits)) - 1) * 0x0000000100000001ULL;
  constexpr std::uint64_t kOne = ((std::uint64_t{1} << kBits) - 1) * 0x0001000100010001ULL;
  std::uint64_t v = (packed & kFour) | ((packed << (32 - 4 * kBits)) & (kFour << 32));
  v = (v & kTwo) | ((v << (16 - 2 * kBits)) & (kTwo << 16));
  return (v & kOne) | ((v << (8 - kBits)) & (kOne << 8));
}

// `count` is a multiple of 8. Words are written whole while what follows them is still to come.
template <int kBits>
void pack_run(const std::uint8_t* symbols, std::size_t count, std::uint8_t* out) {
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const ByteTag tag;
  const std::size_t lanes = hn::Lanes(tag);
  std::uint8_t* const end = out + count / 8 * kBits;
  HWY_ALIGN std::uint64_t words[hn::MaxLanes(EightTag())];
  for (; i + lanes <= count && end - out >= static_cast<std::ptrdiff_t>(lanes / 8 * kBits + 8);
       i += lanes) {
    const auto packed = join<kBits>(hn::LoadU(tag, symbols + i));
    if constexpr (kBits == 4) {
      const hn::Rebind<std::uint32_t, EightTag> half;
      hn::StoreU(hn::BitCast(hn::Repartition<std::uint8_t, decltype(half)>(),
                             hn::TruncateTo(half, packed)),
                 hn::Repartition<std::uint8_t, decltype(half)>(), out);
      out += lanes / 2;
    } else {
      hn::Store(packed, EightTag(), words);
      for (std::size_t lane = 0; lane < lanes / 8; ++lane, out += kBits) {
        std::memcpy(out, words + lane, 8);
      }
    }
  }
#endif
  for (; i < count; i += 8, out += kBits) {
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < 8; ++k) word |= std::uint64_t{symbols[i + k]} << (k * kBits);
    std::memcpy(out, &word, kBits);
  }
}

// Sixteen symbols at a time from 2 * kBits bytes; `in_end` bounds what may be read.
template <int kBits>
void unpack_run(const std::uint8_t* in, const std::uint8_t* in_end, std::size_t count,
                std::uint8_t* symbols) {
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const ByteTag tag;
  const std::size_t lanes = hn::Lanes(tag);
  if constexpr (kBits == 4) {
    const hn::Rebind<std::uint8_t, PairTag> half;
    for (; i + lanes <= count; i += lanes, in += lanes / 2) {
      const auto v = hn::PromoteTo(PairTag(), hn::LoadU(half, in));
      const auto pairs = hn::And(hn::Or(v, hn::ShiftLeft<4>(v)), hn::Set(PairTag(), 0x0f0f));
      hn::StoreU(hn::BitCast(tag, pairs), tag, symbols + i);
    }
  } else if constexpr (kBits == 2) {
    const hn::Rebind<std::uint8_t, FourTag> quarter;
    for (; i + lanes <= count; i += lanes, in += lanes / 4) {
      auto v = hn::PromoteTo(FourTag(), hn::LoadU(quarter, in));
      v = hn::And(hn::Or(v, hn::ShiftLeft<12>(v)), hn::Set(FourTag(), 0x000f000fU));
      v = hn::And(hn::Or(v, hn::ShiftLeft<6>(v)), hn::Set(FourTag(), 0x03030303U));
      hn::StoreU(hn::BitCast(tag, v), tag, symbols + i);
    }
  } else {
    for (; i + 16 <= count && in_end - in >= 16; i += 16, in += 2 * kBits) {
      hn::StoreU(split<kBits>(hn::LoadU(Sixteen(), in)), Sixteen(), symbols + i);
    }
  }
#endif
  for (; i + 8 <= count && in_end - in >= 8; i += 8, in += kBits) {
    std::uint64_t word;
    std::memcpy(&word, in, 8);
    word = split_word<kBits>(word);
    std::memcpy(symbols + i, &word, 8);
  }
  for (; i < count; i += 8, in += kBits) {
    std::uint64_t word = 0;
    std::memcpy(&word, in, kBits);
    word = split_word<kBits>(word);
    std::memcpy(symbols + i, &word, 8);
  }
}

void pack_run_of(unsigned bits, const std::uint8_t* symbols, std::size_t count, std::uint8_t* out) {
  switch (bits) {
    case 1:
      return pack_run<1>(symbols, count, out);
    case 2:
      return pack_run<2>(symbols, count, out);
    case 3:
      return pack_run<3>(symbols, count, out);
    case 4:
      return pack_run<4>(symbols, count, out);
    case 5:
      return pack_run<5>(symbols, count, out);
    case 6:
      return pack_run<6>(symbols, count, out);
    case 7:
      return pack_run<7>(symbols, count, out);
    default:
      std::memcpy(out, symbols, count);
  }
}

void unpack_run_of(unsigned bits, const std::uint8_t* in, const std::uint8_t* in_end,
                   std::size_t count, std::uint8_t* symbols) {
  switch (bits) {
    case 1:
      return unpack_run<1>(in, in_end, count, symbols);
    case 2:
      return unpack_run<2>(in, in_end, count, symbols);
    case 3:
      return unpack_run<3>(in, in_end, count, symbols);
    case 4:
      return unpack_run<4>(in, in_end, count, symbols);
    case 5:
      return unpack_run<5>(in, in_end, count, symbols);
    case 6:
      return unpack_run<6>(in, in_end, count, symbols);
    case 7:
      return unpack_run<7>(in, in_end, count, symbols);
    default:
      std::memcpy(symbols, in, count);
  }
}

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
namespace {

HWY_EXPORT(pack_run_of);
HWY_EXPORT(unpack_run_of);

constexpr std::size_t kRunMin = 8;  // symbols that fill whole bytes at every width

// Columns of one width that follow each other.
struct Run {
  std::size_t first;
  std::size_t count;
  unsigned bits;
};

// A shape as runs; all rows as one where rows need no padding.
struct Runs {
  std::vector<Run> runs;
  std::size_t columns = 0;
  std::size_t rows = 0;
  std::size_t row_bytes = 0;
};

std::size_t row_bytes(const SymbolShape& shape) {
  std::size_t bits = 0;
  for (const std::uint8_t width : shape.bits) bits += width;
  return (bits + 7) / 8;
}

Runs runs_of(const SymbolShape& shape, std::int64_t rows) {
  Runs result;
  result.columns = shape.bits.size();
  result.rows = static_cast<std::size_t>(rows);
  result.row_bytes = row_bytes(shape);
  for (std::size_t column = 0; column < shape.bits.size(); ++column) {
    const unsigned bits = shape.bits[column];
    SLUICE_CHECK(bits <= 8, "symbols have at most 8 bits");
    if (!result.runs.empty() && result.runs.back().bits == bits) {
      ++result.runs.back().count;
    } else {
      result.runs.push_back({column, 1, bits});
    }
  }
  if (result.runs.size() == 1 && result.columns * result.runs[0].bits % 8 == 0) {
    result.columns *= result.rows;
    result.row_bytes *= result.rows;
    result.runs[0].count = result.columns;
    result.rows = std::min<std::size_t>(result.rows, 1);
  }
  return result;
}

// Bits to be written, low ones first; whole bytes leave at once.
class BitWriter {
 public:
  explicit BitWriter(std::uint8_t* out) : out_(out) {}
  void put(unsigned value, unsigned bits) {
    word_ |= value << held_;
    held_ += bits;
    while (held_ >= 8) {
      *out_++ = static_cast<std::uint8_t>(word_);
      word_ >>= 8;
      held_ -= 8;
    }
  }
  void finish() {
    if (held_ > 0) *out_ = static_cast<std::uint8_t>(word_);
  }
  bool is_aligned() const { return held_ == 0; }
  std::uint8_t* at() const { return out_; }
  void skip(std::size_t bytes) { out_ += bytes; }

 private:
  std::uint8_t* out_;
  unsigned word_ = 0;
  unsigned held_ = 0;
};

class BitReader {
 public:
  explicit BitReader(const std::uint8_t* in) : in_(in) {}
  std::uint8_t get(unsigned bits) {
    if (held_ < bits) {
      word_ |= unsigned{*in_++} << held_;
      held_ += 8;
    }
    const unsigned value = word_ & ((1U << bits) - 1);
    word_ >>= bits;
    held_ -= bits;
    return static_cast<std::uint8_t>(value);
  }
  bool is_aligned() const { return held_ == 0; }
  const std::uint8_t* at() const { return in_; }
  void skip(std::size_t bytes) { in_ += bytes; }

 private:
  const std::uint8_t* in_;
  unsigned word_ = 0;
  unsigned held_ = 0;
};

// The part of a run that the vector kernels take: whole bytes from a byte boundary on.
std::size_t aligned_count(const Run& run, bool is_aligned) {
  return is_aligned && run.bits != 0 ? run.count / kRunMin * kRunMin : 0;
}

}  // namespace

std::size_t packed_bytes(const SymbolShape& shape, std::int64_t rows) {
  return row_bytes(shape) * static_cast<std::size_t>(rows);
}

void pack_symbols(const SymbolShape& shape, std::int64_t rows, const std::uint8_t* symbols,
                  std::byte* out) {
  const Runs all = runs_of(shape, rows);
  for (std::size_t row = 0; row < all.rows; ++row) {
    BitWriter writer(reinterpret_cast<std::uint8_t*>(out) + row * all.row_bytes);
    for (const Run& run : all.runs) {
      const std::uint8_t* from = symbols + row * all.columns + run.first;
      const std::size_t whole = aligned_count(run, writer.is_aligned());
      if (whole != 0) {
        HWY_DYNAMIC_DISPATCH(pack_run_of)(run.bits, from, whole, writer.at());
        writer.skip(whole / kRunMin * run.bits);
      }
      for (std::size_t i = whole; i < run.count && run.bits != 0; ++i)
        writer.put(from[i], run.bits);
    }
    writer.finish();
  }
}

Status unpack_symbols(const SymbolShape& shape, std::int64_t rows, Bytes in,
                      std::uint8_t* symbols) {
  if (in.size() != packed_bytes(shape, rows)) {
    return make_error(ErrorCode::kCorrupt, "packed symbols have the wrong length");
  }
  const Runs all = runs_of(shape, rows);
  const auto* first = reinterpret_cast<const std::uint8_t*>(in.data());
  for (std::size_t row = 0; row < all.rows; ++row) {
    BitReader reader(first + row * all.row_bytes);
    for (const Run& run : all.runs) {
      std::uint8_t* to = symbols + row * all.columns + run.first;
      if (run.bits == 0) {
        std::fill_n(to, run.count, std::uint8_t{0});
        continue;
      }
      const std::size_t whole = aligned_count(run, reader.is_aligned());
      if (whole != 0) {
        HWY_DYNAMIC_DISPATCH(unpack_run_of)(run.bits, reader.at(), first + in.size(), whole, to);
        reader.skip(whole / kRunMin * run.bits);
      }
      for (std::size_t i = whole; i < run.count; ++i) to[i] = reader.get(run.bits);
    }
  }
  return {};
}

}  // namespace sluice::kernels
#endif
