// SPDX-License-Identifier: Apache-2.0
// Eigenvalues and eigenvectors of a symmetric matrix, with the same bits on every machine.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

struct Eigen {
  std::vector<double> values;   // [n], descending
  std::vector<double> vectors;  // [n][n]: row i belongs to values[i]; rows are orthonormal
};

// `matrix`: [n][n], symmetric, finite; up to about 1,000 rows (6 n^3 operations). Householder
// reflections to tridiagonal form, then implicitly shifted QL (Golub and Van Loan, Matrix
// Computations, sections 8.3.1 and 8.3.5). A NaN inside gives numbers without meaning, but an end.
Eigen symmetric_eigen(std::vector<double> matrix, std::int64_t n);

}  // namespace sluice::kernels
