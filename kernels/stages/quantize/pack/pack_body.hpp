// SPDX-License-Identifier: Apache-2.0
// Packing symbols and unpacking them (see pack_bits.hpp), for both blocks. One block per row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/block.hpp"

namespace sluice::kernels {

// All pointers are of the memory where the body runs.
struct PackTask {
  std::uint8_t* symbols = nullptr;           // [rows][columns]; packing only reads them
  std::byte* packed = nullptr;               // [rows][row_bytes]; unpacking only reads them
  const std::uint32_t* bit_first = nullptr;  // [columns + 1]: where a column begins in its row
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t row_bytes = 0;
};

// The column that a bit of a row belongs to, below bit_first[columns].
SLUICE_HOST_DEVICE inline std::int64_t column_of_bit(const PackTask& task, std::uint32_t bit) {
  std::int64_t low = 0;
  std::int64_t high = task.columns;  // bit_first[low] <= bit < bit_first[high]
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (task.bit_first[middle] <= bit ? low : high) = middle;
  }
  return low;
}

// A lane makes a byte.
struct PackBody {
  PackTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const PackTask& of = task;
    const std::uint8_t* symbols = task.symbols + block.index() * task.columns;
    std::byte* packed = task.packed + block.index() * task.row_bytes;
    block.each(task.row_bytes, [&of, symbols, packed](std::int64_t i) {
      const auto first = static_cast<std::uint32_t>(i) * 8;
      std::uint32_t byte = 0;
      for (std::int64_t c = column_of_bit(of, first); c < of.columns && of.bit_first[c] < first + 8;
           ++c) {
        const std::uint32_t begin = of.bit_first[c];
        const std::uint32_t symbol = symbols[c] & ((1U << (of.bit_first[c + 1] - begin)) - 1);
        byte |= begin < first ? symbol >> (first - begin) : symbol << (begin - first);
      }
      packed[i] = static_cast<std::byte>(byte & 0xffU);
    });
  }
};

// A lane takes a symbol.
struct UnpackBody {
  PackTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const PackTask& of = task;
    std::uint8_t* symbols = task.symbols + block.index() * task.columns;
    const std::byte* packed = task.packed + block.index() * task.row_bytes;
    block.each(task.columns, [&of, symbols, packed](std::int64_t c) {
      const std::uint32_t begin = of.bit_first[c];
      const std::uint32_t bits = of.bit_first[c + 1] - begin;
      std::uint32_t word = 0;
      if (bits != 0) word = static_cast<std::uint32_t>(packed[begin / 8]) >> (begin % 8);
      if (begin % 8 + bits > 8) {
        word |= static_cast<std::uint32_t>(packed[begin / 8 + 1]) << (8 - begin % 8);
      }
      symbols[c] = static_cast<std::uint8_t>(word & ((1U << bits) - 1));
    });
  }
};

}  // namespace sluice::kernels
