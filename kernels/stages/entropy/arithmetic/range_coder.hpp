// SPDX-License-Identifier: Apache-2.0
// A range coder (Martin, "Range encoding", 1979) with 64-bit ranges and frequencies that add up to
// 2^16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/core/bytes.hpp"

namespace sluice::kernels {

inline constexpr int kRangePrecision = 16;

// Of a symbol: where it starts in [0, 2^16), and how much it has, at least 1.
struct SymbolSpan {
  std::uint32_t start = 0;
  std::uint32_t frequency = 0;
};

class RangeEncoder {
 public:
  void put(SymbolSpan symbol);
  // The bytes; the encoder is spent.
  std::vector<std::byte> finish();

 private:
  void add(std::uint64_t value);
  void shift();

  std::uint64_t low_ = 0;
  std::uint64_t range_ = ~std::uint64_t{0};
  std::vector<std::byte> bytes_;
};

// Bytes behind the last are taken for 0: hostile input gives wrong symbols, never a step outside.
class RangeDecoder {
 public:
  explicit RangeDecoder(Bytes bytes);
  // In [0, 2^16): the symbol whose span has it is the next.
  std::uint32_t slot();
  // After slot(), with that symbol.
  void take(SymbolSpan symbol);
  // Whether the bytes end here, as an encoder ends them.
  bool is_at_end() const { return next_ == bytes_.size() + kSpareBytes; }

 private:
  void shift();

  // An encoder ends with as many bytes as make the rest of the code irrelevant.
  static constexpr std::size_t kSpareBytes = 4;

  Bytes bytes_;
  std::size_t next_ = 0;
  std::uint64_t code_ = 0;  // less the encoder's low
  std::uint64_t range_ = ~std::uint64_t{0};
  std::uint64_t unit_ = 0;  // of the last slot()
};

}  // namespace sluice::kernels
