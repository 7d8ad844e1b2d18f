// SPDX-License-Identifier: Apache-2.0
// How often each symbol was seen in each column, in few bytes: what a profile keeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"

namespace sluice::kernels {

// A byte log2(symbols), 1 to 8; the number of columns; then for each column the counts of its
// symbols, where a count of 0 is followed by how many more zeros there are. Numbers are LEB128
// (DWARF 5, 7.6), at most 5 bytes.
class HistogramWriter {
 public:
  // `symbols`: a power of two, 2 to 256.
  HistogramWriter(std::size_t symbols, std::size_t columns);

  // Of the next column, `symbols` of them.
  void put(std::span<const std::uint32_t> counts);

  std::vector<std::byte> take() { return out_.take(); }

 private:
  ByteWriter out_;
};

class HistogramReader {
 public:
  // kCorrupt: not what HistogramWriter writes. `bytes` must outlive the reader.
  static Result<HistogramReader> open(Bytes bytes);

  std::size_t symbols() const { return symbols_; }
  std::size_t columns() const { return columns_; }

  // The next column's, symbols() of them; at most columns() calls. kCorrupt: they end too early, or
  // a count is above kCountMost.
  Status next(std::span<std::uint32_t> counts);

 private:
  explicit HistogramReader(Bytes bytes) : rest_(bytes) {}
  Status get_number(std::uint32_t& number);

  Bytes rest_;
  std::size_t symbols_ = 0;
  std::size_t columns_ = 0;
};

}  // namespace sluice::kernels
