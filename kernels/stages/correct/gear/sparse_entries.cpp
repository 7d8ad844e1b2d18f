// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/correct/gear/sparse_entries.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

#include "kernels/core/check.hpp"
#include "kernels/core/dtype.hpp"

namespace sluice::kernels {
namespace {

constexpr std::uint8_t kMore = 255;

// Ordered as magnitudes are, NaN above all.
std::uint32_t magnitude(float value) { return std::bit_cast<std::uint32_t>(value) & 0x7fffffffU; }

// The count-th largest magnitude, and how many entries of just that one are among the `count`.
struct Threshold {
  std::uint32_t magnitude = 0;
  std::int64_t equal = 0;
};

Threshold threshold_of(ConstMatrix rows, std::int64_t count) {
  std::vector<std::uint32_t> all;
  all.reserve(static_cast<std::size_t>(rows.rows * rows.columns));
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    std::transform(rows.row(r), rows.row(r) + rows.columns, std::back_inserter(all), magnitude);
  }
  const auto last = all.begin() + (count - 1);
  std::nth_element(all.begin(), last, all.end(), std::greater<>());
  const std::uint32_t found = *last;
  const auto above =
      std::count_if(all.begin(), last, [found](std::uint32_t value) { return value > found; });
  return {found, count - above};
}

}  // namespace

void take_sparse_entries(Matrix rows, std::int64_t count, ByteWriter& out) {
  SLUICE_CHECK(count >= 0 && count <= rows.rows * rows.columns, "more entries than there are");
  std::vector<std::uint8_t> gaps;
  std::vector<std::uint16_t> values;
  if (count > 0) {
    Threshold threshold = threshold_of(rows, count);
    std::int64_t gap = 0;
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      float* row = rows.row(r);
      for (std::int64_t c = 0; c < rows.columns; ++c, ++gap) {
        const std::uint32_t size = magnitude(row[c]);
        if (size < threshold.magnitude) continue;
        if (size == threshold.magnitude && threshold.equal-- <= 0) continue;
        for (; gap >= kMore; gap -= kMore) gaps.push_back(kMore);
        gaps.push_back(static_cast<std::uint8_t>(gap));
        gap = -1;
        values.push_back(bf16_from_f32(row[c]));
        row[c] = row[c] - f32_from_bf16(values.back());
      }
    }
  }
  out.put(static_cast<std::uint32_t>(values.size()));
  out.put(static_cast<std::uint32_t>(gaps.size()));
  out.put_bytes(std::as_bytes(std::span(gaps)));
  out.put_bytes(std::as_bytes(std::span(values)));
}

Status add_sparse_entries(ByteReader& in, Matrix rows) {
  const auto count = SLUICE_TRY(in.get<std::uint32_t>());
  const auto gap_bytes = SLUICE_TRY(in.get<std::uint32_t>());
  const Bytes gaps = SLUICE_TRY(in.get_bytes(gap_bytes));
  const Bytes values = SLUICE_TRY(in.get_bytes(std::size_t{count} * sizeof(std::uint16_t)));
  const std::int64_t places = rows.rows * rows.columns;
  std::int64_t place = 0;
  std::size_t entry = 0;
  for (const std::byte gap : gaps) {
    place += static_cast<std::int64_t>(gap);
    if (static_cast<std::uint8_t>(gap) == kMore) continue;
    if (place >= places || entry >= count) {
      return make_error(ErrorCode::kCorrupt, "gear: an entry lies outside the rows");
    }
    std::uint16_t bits = 0;
    std::memcpy(&bits, values.data() + entry * sizeof bits, sizeof bits);
    float& target = rows.row(place / rows.columns)[place % rows.columns];
    target = target + f32_from_bf16(bits);
    ++entry;
    ++place;
  }
  if (entry != count) return make_error(ErrorCode::kCorrupt, "gear: entries without a place");
  return {};
}

}  // namespace sluice::kernels
