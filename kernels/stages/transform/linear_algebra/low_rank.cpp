// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/low_rank.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "kernels/core/check.hpp"
#include "kernels/stages/transform/linear_algebra/eigen.hpp"
#include "kernels/stages/transform/linear_algebra/multiply.hpp"
#include "kernels/stages/transform/linear_algebra/row_operations.hpp"

namespace sluice::kernels {
namespace {

// Iterated directions beyond the rank, and iterations: with them, what is lost against the best
// basis stays below a per cent of the rest's energy on decaying spectra (Halko, Martinsson, Tropp,
// arXiv 0909.4061, section 4.5).
constexpr std::int64_t kExtraDirections = 8;
constexpr int kIterations = 5;
// The whole decomposition is as fast when this much of the basis is asked for.
constexpr std::int64_t kIterateBelowShare = 3;
constexpr std::int64_t kIterateFrom = 96;

// Columns up to which the Gram matrix is formed; beyond, each iteration multiplies by the rows.
constexpr std::int64_t kGramColumnsMax = 1536;

// A row that has lost this much of its length to those before it depends on them.
constexpr double kDependent = 1e-12;

// Numbers in [-1, 1) that look random: a multiplicative hash of the place.
double start_value(std::uint64_t place) {
  std::uint64_t bits = (place + 1) * 0x9e3779b97f4a7c15ULL;
  bits = (bits ^ (bits >> 29)) * 0xbf58476d1ce4e5b9ULL;
  bits ^= bits >> 32;
  return static_cast<double>(static_cast<std::int64_t>(bits >> 11)) * 0x1p-52 - 1.0;
}

std::vector<double> start_rows(std::int64_t count, std::int64_t columns) {
  std::vector<double> rows(static_cast<std::size_t>(count * columns));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = start_value(i);
  orthonormalize_rows(rows.data(), count, columns);
  return rows;
}

std::vector<float> rounded(std::span<const double> values) {
  std::vector<float> result(values.size());
  std::transform(values.begin(), values.end(), result.begin(),
                 [](double value) { return static_cast<float>(value); });
  return result;
}

// The directions within the span of `basis` [count][n], strongest first, given its images under a
// symmetric matrix (Rayleigh-Ritz).
std::vector<double> ritz(const std::vector<double>& basis, const std::vector<double>& images,
                         std::int64_t count, std::int64_t n, std::int64_t rank) {
  std::vector<double> small(static_cast<std::size_t>(count * count));
  multiply_transposed(ConstMatrix64{images.data(), count, n, n},
                      ConstMatrix64{basis.data(), count, n, n},
                      Matrix64{small.data(), count, count, count});
  for (std::int64_t r = 0; r < count; ++r) {  // symmetric but for rounding: make it so
    for (std::int64_t c = 0; c < r; ++c) {
      small[static_cast<std::size_t>(c * count + r)] =
          small[static_cast<std::size_t>(r * count + c)];
    }
  }
  const Eigen eigen = symmetric_eigen(std::move(small), count);
  std::vector<double> result(static_cast<std::size_t>(rank * n));
  multiply(ConstMatrix64{eigen.vectors.data(), rank, count, count},
           ConstMatrix64{basis.data(), count, n, n}, Matrix64{result.data(), rank, n, n});
  return result;
}

// `apply(basis, images)` multiplies each row of a basis [count][n] by a symmetric matrix.
template <class Apply>
std::vector<double> iterate(std::int64_t n, std::int64_t rank, Apply apply) {
  const std::int64_t count = std::min(n, rank + kExtraDirections);
  std::vector<double> basis = start_rows(count, n);
  std::vector<double> images(basis.size());
  for (int i = 0; i < kIterations; ++i) {
    apply(basis, images, count);
    std::swap(basis, images);
    orthonormalize_rows(basis.data(), count, n);
  }
  apply(basis, images, count);
  return ritz(basis, images, count, n, rank);
}

// For many columns: rows and bases in FP32, orthonormalization in FP64.
std::vector<double> iterate_on_rows(ConstMatrix rows, std::int64_t rank) {
  const std::int64_t n = rows.columns;
  return iterate(n, rank, [&](const auto& basis, auto& images, std::int64_t count) {
    const std::vector<float> narrow = rounded(basis);
    std::vector<float> seen(static_cast<std::size_t>(count * rows.rows));
    multiply_transposed(ConstMatrix{narrow.data(), count, n, n}, rows,
                        Matrix{seen.data(), count, rows.rows, rows.rows});
    std::vector<float> back(narrow.size());
    multiply(ConstMatrix{seen.data(), count, rows.rows, rows.rows}, rows,
             Matrix{back.data(), count, n, n});
    std::copy(back.begin(), back.end(), images.begin());
  });
}

}  // namespace

void orthonormalize_rows(double* rows, std::int64_t count, std::int64_t columns) {
  for (std::int64_t i = 0; i < count; ++i) {
    double* row = rows + i * columns;
    const double before = std::sqrt(dot(row, row, columns));
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t j = 0; j < i; ++j) {
        const double* earlier = rows + j * columns;
        add_scaled(-dot(row, earlier, columns), earlier, row, columns);
      }
    }
    const double after = std::sqrt(dot(row, row, columns));
    if (after > kDependent * before && after <= 1e300) {
      for (std::int64_t c = 0; c < columns; ++c) row[c] = row[c] / after;
    } else {
      std::fill_n(row, columns, 0.0);
    }
  }
}

std::vector<double> leading_eigenvectors(std::vector<double> matrix, std::int64_t n,
                                         std::int64_t rank) {
  SLUICE_CHECK(rank >= 0 && rank <= n, "more eigenvectors than there are");
  if (n < kIterateFrom || rank * kIterateBelowShare >= n) {
    Eigen eigen = symmetric_eigen(std::move(matrix), n);
    eigen.vectors.resize(static_cast<std::size_t>(rank * n));
    return std::move(eigen.vectors);
  }
  return iterate(n, rank, [&](const auto& basis, auto& images, std::int64_t count) {
    multiply(ConstMatrix64{basis.data(), count, n, n}, ConstMatrix64{matrix.data(), n, n, n},
             Matrix64{images.data(), count, n, n});
  });
}

std::vector<float> right_singular_vectors(ConstMatrix rows, std::int64_t rank) {
  const std::int64_t n = rows.columns;
  SLUICE_CHECK(rank >= 1 && rank <= n, "a rank outside the columns");
  if (n > kGramColumnsMax && rank * kIterateBelowShare < n) {
    return rounded(iterate_on_rows(rows, rank));
  }
  std::vector<double> gram(static_cast<std::size_t>(n * n), 0.0);
  add_gram(rows, Matrix64{gram.data(), n, n, n});
  return rounded(leading_eigenvectors(std::move(gram), n, rank));
}

std::vector<float> dual_basis(std::span<const float> vectors, std::int64_t rank,
                              std::int64_t columns) {
  std::vector<double> dual(vectors.begin(), vectors.end());
  std::vector<double> lower(static_cast<std::size_t>(rank * rank));
  multiply_transposed(ConstMatrix64{dual.data(), rank, columns, columns},
                      ConstMatrix64{dual.data(), rank, columns, columns},
                      Matrix64{lower.data(), rank, rank, rank});
  const auto row = [&](std::int64_t i) { return dual.data() + i * columns; };
  // Cholesky: the inner products are L L'; then L Y = V and L' P = Y, row by row.
  for (std::int64_t i = 0; i < rank; ++i) {
    double* l = lower.data() + i * rank;
    for (std::int64_t j = 0; j < i; ++j) {
      const double* earlier = lower.data() + j * rank;
      l[j] = earlier[j] > 0 ? (l[j] - dot(l, earlier, j)) / earlier[j] : 0.0;
    }
    const double square = l[i] - dot(l, l, i);
    // Of nearly orthonormal vectors it is near 1, of a row of zeros 0.
    l[i] = square > 1e-6 ? std::sqrt(square) : 0.0;
    for (std::int64_t j = 0; j < i; ++j) add_scaled(-l[j], row(j), row(i), columns);
    scale_row(l[i] > 0 ? 1.0 / l[i] : 0.0, row(i), columns);
  }
  for (std::int64_t i = rank - 1; i >= 0; --i) {
    for (std::int64_t j = i + 1; j < rank; ++j) {
      add_scaled(-lower[static_cast<std::size_t>(j * rank + i)], row(j), row(i), columns);
    }
    const double pivot = lower[static_cast<std::size_t>(i * rank + i)];
    scale_row(pivot > 0 ? 1.0 / pivot : 0.0, row(i), columns);
  }
  return rounded(dual);
}

}  // namespace sluice::kernels
