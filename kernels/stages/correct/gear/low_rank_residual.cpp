// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/correct/gear/low_rank_residual.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "kernels/stages/transform/linear_algebra/low_rank.hpp"
#include "kernels/stages/transform/linear_algebra/multiply.hpp"
#include "kernels/stages/transform/linear_algebra/projection.hpp"

namespace sluice::kernels {
namespace {

// Rows corrected at a time: the product stays in a core's own cache.
constexpr std::int64_t kRowsAtOnce = 64;

// `values` rounded to what is written.
void put_bf16(std::span<float> values, ByteWriter& out) {
  std::vector<std::uint16_t> bits(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    bits[i] = bf16_from_f32(values[i]);
    values[i] = f32_from_bf16(bits[i]);
  }
  out.put_bytes(std::as_bytes(std::span(bits)));
}

Result<std::vector<float>> get_bf16(std::int64_t count, ByteReader& in) {
  const auto size = static_cast<std::size_t>(count);
  const Bytes bytes = SLUICE_TRY(in.get_bytes(size * sizeof(std::uint16_t)));
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + i * sizeof bits, sizeof bits);
    values[i] = f32_from_bf16(bits);
  }
  return values;
}

void orthonormalize(std::vector<float>& directions, std::int64_t rank, std::int64_t columns) {
  std::vector<double> wide(directions.begin(), directions.end());
  orthonormalize_rows(wide.data(), rank, columns);
  std::transform(wide.begin(), wide.end(), directions.begin(),
                 [](double value) { return static_cast<float>(value); });
}

// shares = residual * directions'
void shares_of(ConstMatrix residual, const std::vector<float>& directions, std::int64_t rank,
               std::vector<float>& shares) {
  const std::vector<float> turned = transposed(directions.data(), rank, residual.columns);
  multiply(residual, {turned.data(), residual.columns, rank, rank},
           {shares.data(), residual.rows, rank, rank});
}

// Alike in no two rows, and far from every axis.
std::vector<float> start(std::int64_t rank, std::int64_t columns) {
  std::vector<float> directions(static_cast<std::size_t>(rank * columns));
  std::uint32_t state = 0x9e3779b9U;
  for (float& value : directions) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<float>(state >> 8) * 0x1p-23F - 1.0F;
  }
  return directions;
}

}  // namespace

void write_low_rank(ConstMatrix residual, std::int64_t rank, std::int64_t iterations,
                    ByteWriter& out) {
  const std::int64_t columns = residual.columns;
  rank = std::min({rank, residual.rows, columns, kResidualRankMax});
  out.put(static_cast<std::uint8_t>(rank));
  if (rank <= 0) return;
  std::vector<float> directions = start(rank, columns);
  orthonormalize(directions, rank, columns);
  std::vector<float> shares(static_cast<std::size_t>(residual.rows * rank));
  for (std::int64_t i = 0; i < iterations; ++i) {
    shares_of(residual, directions, rank, shares);
    transposed_multiply({shares.data(), residual.rows, rank, rank}, residual,
                        {directions.data(), rank, columns, columns});
    orthonormalize(directions, rank, columns);
  }
  put_bf16(directions, out);
  // The shares that fit the rounded directions best.
  shares_of(residual, dual_basis(directions, rank, columns), rank, shares);
  put_bf16(shares, out);
}

Status add_low_rank(ByteReader& in, Matrix rows) {
  const std::int64_t rank = SLUICE_TRY(in.get<std::uint8_t>());
  if (rank > rows.columns || rank > rows.rows) {
    return make_error(ErrorCode::kCorrupt, "gear: a rank above the rows or columns");
  }
  if (rank == 0) return {};
  const auto directions = SLUICE_TRY(get_bf16(rank * rows.columns, in));
  const auto shares = SLUICE_TRY(get_bf16(rows.rows * rank, in));
  std::vector<float> product(static_cast<std::size_t>(kRowsAtOnce * rows.columns));
  for (std::int64_t first = 0; first < rows.rows; first += kRowsAtOnce) {
    const std::int64_t count = std::min(kRowsAtOnce, rows.rows - first);
    multiply({shares.data() + first * rank, count, rank, rank},
             {directions.data(), rank, rows.columns, rows.columns},
             {product.data(), count, rows.columns, rows.columns});
    for (std::int64_t r = 0; r < count; ++r) {
      const float* added = product.data() + r * rows.columns;
      float* row = rows.row(first + r);
      for (std::int64_t c = 0; c < rows.columns; ++c) row[c] = row[c] + added[c];
    }
  }
  return {};
}

}  // namespace sluice::kernels
