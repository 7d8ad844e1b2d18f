// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/cholesky.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/stages/transform/linear_algebra/row_operations.hpp"

namespace sluice::kernels {

bool cholesky(std::vector<double>& matrix, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    double* row = matrix.data() + i * n;
    for (std::int64_t j = 0; j < i; ++j) {
      const double* earlier = matrix.data() + j * n;
      row[j] = (row[j] - dot(row, earlier, j)) / earlier[j];
    }
    const double pivot = row[i] - dot(row, row, i);
    if (!(pivot > 0) || !(pivot <= 1e300)) return false;
    row[i] = std::sqrt(pivot);
    std::fill(row + i + 1, row + n, 0.0);
  }
  return true;
}

void divide_rows(std::vector<double>& vectors, const std::vector<double>& lower, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    double* x = vectors.data() + i * n;
    for (std::int64_t c = n - 1; c >= 0; --c) {
      const double* row = lower.data() + c * n;
      x[c] = x[c] / row[c];
      add_scaled(-x[c], row, x, c);
    }
  }
}

void solve_factored(const std::vector<double>& lower, std::int64_t n, std::vector<double>& right,
                    std::int64_t columns) {
  const auto row = [&](std::int64_t i) { return right.data() + i * columns; };
  for (std::int64_t i = 0; i < n; ++i) {
    const double* factors = lower.data() + i * n;
    for (std::int64_t j = 0; j < i; ++j) add_scaled(-factors[j], row(j), row(i), columns);
    scale_row(1.0 / factors[i], row(i), columns);
  }
  for (std::int64_t i = n - 1; i >= 0; --i) {
    for (std::int64_t j = i + 1; j < n; ++j) {
      add_scaled(-lower[static_cast<std::size_t>(j * n + i)], row(j), row(i), columns);
    }
    scale_row(1.0 / lower[static_cast<std::size_t>(i * n + i)], row(i), columns);
  }
}

}  // namespace sluice::kernels
