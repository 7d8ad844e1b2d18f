// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_histograms.hpp"

#include <algorithm>
#include <bit>

#include "kernels/core/check.hpp"
#include "kernels/stages/entropy/symbol_groups.hpp"
#include "kernels/stages/entropy/symbol_model.hpp"

namespace sluice::kernels {
namespace {

constexpr int kNumberBytesMax = 5;  // of 32 bits

void put_number(ByteWriter& out, std::uint32_t number) {
  for (; number >= 0x80; number >>= 7) out.put(static_cast<std::uint8_t>(number | 0x80));
  out.put(static_cast<std::uint8_t>(number));
}

Error corrupt(const char* what) { return make_error(ErrorCode::kCorrupt, what); }

}  // namespace

HistogramWriter::HistogramWriter(std::size_t symbols, std::size_t columns) {
  SLUICE_CHECK(
      std::has_single_bit(symbols) && symbols >= 2 && symbols <= std::size_t{1} << kSymbolBitsMax,
      "not a number of symbols");
  out_.put(static_cast<std::uint8_t>(std::countr_zero(symbols)));
  put_number(out_, static_cast<std::uint32_t>(columns));
}

void HistogramWriter::put(std::span<const std::uint32_t> counts) {
  for (auto at = counts.begin(); at != counts.end();) {
    put_number(out_, std::min(*at, kCountMost));
    if (*at++ != 0) continue;
    const auto end = std::find_if(at, counts.end(), [](std::uint32_t count) { return count != 0; });
    put_number(out_, static_cast<std::uint32_t>(end - at));
    at = end;
  }
}

Result<HistogramReader> HistogramReader::open(Bytes bytes) {
  if (bytes.empty()) return corrupt("histograms without a byte");
  const auto bits = std::to_integer<int>(bytes[0]);
  if (bits < 1 || bits > kSymbolBitsMax) return corrupt("histograms of no number of symbols");
  HistogramReader reader(bytes.subspan(1));
  reader.symbols_ = std::size_t{1} << bits;
  std::uint32_t columns = 0;
  SLUICE_TRY(reader.get_number(columns));
  // A column takes two bytes at least.
  if (columns > reader.rest_.size() / 2) return corrupt("histograms end too early");
  reader.columns_ = columns;
  return reader;
}

Status HistogramReader::next(std::span<std::uint32_t> counts) {
  for (std::size_t s = 0; s < counts.size(); ++s) {
    SLUICE_TRY(get_number(counts[s]));
    if (counts[s] > kCountMost) return corrupt("a histogram counts too much");
    if (counts[s] != 0) continue;
    std::uint32_t more = 0;
    SLUICE_TRY(get_number(more));
    if (more > counts.size() - s - 1) return corrupt("a histogram has too many symbols");
    std::fill_n(counts.begin() + static_cast<std::ptrdiff_t>(s + 1), more, 0U);
    s += more;
  }
  return {};
}

Status HistogramReader::get_number(std::uint32_t& number) {
  std::uint64_t value = 0;
  for (int i = 0; i < kNumberBytesMax && static_cast<std::size_t>(i) < rest_.size(); ++i) {
    const auto byte = std::to_integer<std::uint64_t>(rest_[static_cast<std::size_t>(i)]);
    value |= (byte & 0x7f) << (7 * i);
    if (byte >= 0x80) continue;
    if (value > 0xffffffffU) break;
    rest_ = rest_.subspan(static_cast<std::size_t>(i) + 1);
    number = static_cast<std::uint32_t>(value);
    return {};
  }
  return corrupt("histograms end too early, or have a number that is too large");
}

}  // namespace sluice::kernels
