// SPDX-License-Identifier: Apache-2.0
// Cholesky's factors and what they solve (Golub and Van Loan, Matrix Computations, section 4.2),
// with the same bits on every machine.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

// `matrix` [n][n] becomes L with L L' = matrix, zeros above the diagonal. False: not positive
// definite.
bool cholesky(std::vector<double>& matrix, std::int64_t n);

// Rows u_i of `vectors` [n][n] become u_i L^-1: solves x L = u from the last column on.
void divide_rows(std::vector<double>& vectors, const std::vector<double>& lower, std::int64_t n);

// `right` [n][columns] becomes (L L')^-1 right.
void solve_factored(const std::vector<double>& lower, std::int64_t n, std::vector<double>& right,
                    std::int64_t columns);

}  // namespace sluice::kernels
