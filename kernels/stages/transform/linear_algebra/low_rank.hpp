// SPDX-License-Identifier: Apache-2.0
// Truncated singular value decompositions, and what bases need once they are rounded.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

// The `rank` strongest right singular vectors of `rows`, strongest first: [rank][columns]. Needs
// 1 <= rank <= columns. Rows of the result are orthonormal; where `rows` has fewer directions,
// the last ones are arbitrary or zero. From the eigenvectors of the Gram matrix in FP64; for a
// small rank by orthogonal iteration on it (Golub and Van Loan, section 8.2.4), from a fixed start.
std::vector<float> right_singular_vectors(ConstMatrix rows, std::int64_t rank);

// The `rank` first eigenvectors of a symmetric matrix [n][n] without negative eigenvalues.
std::vector<double> leading_eigenvectors(std::vector<double> matrix, std::int64_t n,
                                         std::int64_t rank);

// For nearly orthonormal `vectors` [rank][columns] (rounded ones) the vectors P with P_i . V_j = 1
// if i = j, else 0, in the same span: a row x projects to sum_i (x . P_i) V_i. A row of zeros has
// zeros.
std::vector<float> dual_basis(std::span<const float> vectors, std::int64_t rank,
                              std::int64_t columns);

// Gram-Schmidt, each row freed twice from all before it, in place; a row that depends on those
// before becomes zero.
void orthonormalize_rows(double* rows, std::int64_t count, std::int64_t columns);

}  // namespace sluice::kernels
