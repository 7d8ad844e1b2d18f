// SPDX-License-Identifier: Apache-2.0
// What decompositions do to rows of FP64 numbers, with the same bits on every machine.
#pragma once

#include <cstdint>

namespace sluice::kernels {

// y += factor * x.
void add_scaled(double factor, const double* x, double* y, std::int64_t count);

// x *= factor.
void scale_row(double factor, double* x, std::int64_t count);

// The sum of x[i] * y[i]: eight running sums, sum j over the i with i % 8 == j in ascending order,
// then halves onto halves.
double dot(const double* x, const double* y, std::int64_t count);

// x, y = cosine * x - sine * y, sine * x + cosine * y.
void rotate_rows(double cosine, double sine, double* x, double* y, std::int64_t count);

}  // namespace sluice::kernels
