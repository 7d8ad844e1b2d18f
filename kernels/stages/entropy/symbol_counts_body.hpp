// SPDX-License-Identifier: Apache-2.0
// Counting a column's symbols, for both blocks. One block of lanes per column.
#pragma once

#include <cstdint>

#include "kernels/core/block.hpp"

namespace sluice::kernels {

// All pointers are of the memory where the body runs.
struct SymbolCountTask {
  const std::uint8_t* symbols = nullptr;   // [rows][stride]
  const std::uint32_t* columns = nullptr;  // [counted], within a row
  const std::uint8_t* bits = nullptr;      // [counted]
  const std::uint64_t* first = nullptr;    // [counted]: where a column's counts begin
  std::uint32_t* counts = nullptr;         // 2^bits for each counted column
  std::int64_t rows = 0;
  std::int64_t stride = 0;
  std::int64_t counted = 0;
};

// A lane has a symbol and looks for it in every row: no two lanes write to one place.
struct SymbolCountBody {
  SymbolCountTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const std::uint8_t* symbols = task.symbols + task.columns[block.index()];
    std::uint32_t* counts = task.counts + task.first[block.index()];
    const std::int64_t rows = task.rows;
    const std::int64_t stride = task.stride;
    block.each(std::int64_t{1} << task.bits[block.index()], [=](std::int64_t symbol) {
      std::uint32_t count = 0;
      for (std::int64_t row = 0; row < rows; ++row) {
        count += symbols[row * stride] == symbol ? 1U : 0U;
      }
      counts[symbol] = count;
    });
  }
};

}  // namespace sluice::kernels
