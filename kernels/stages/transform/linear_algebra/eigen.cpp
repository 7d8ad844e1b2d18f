// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/eigen.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/core/check.hpp"
#include "kernels/stages/transform/linear_algebra/row_operations.hpp"

namespace sluice::kernels {
namespace {

// QL needs about two sweeps for an eigenvalue; more than this many only happens to NaN.
constexpr int kSweepsMax = 64;

struct Tridiagonal {
  std::vector<double> diagonal;   // [n]
  std::vector<double> beside;     // [n]: element i couples i and i + 1
  std::vector<double> reflector;  // [n]: 2 / |v|^2 of reflection k, 0 for none
};

// Row k of `matrix` keeps, right of its diagonal, the vector v of reflection k.
Tridiagonal reduce(std::vector<double>& matrix, std::int64_t n) {
  const auto size = static_cast<std::size_t>(n);
  Tridiagonal result{std::vector<double>(size), std::vector<double>(size),
                     std::vector<double>(size)};
  std::vector<double> p(size);
  for (std::int64_t k = 0; k < n; ++k) {
    double* row = matrix.data() + k * n;
    const auto at = static_cast<std::size_t>(k);
    result.diagonal[at] = row[k];
    if (k + 1 >= n) break;
    const std::int64_t left = n - k - 1;
    double* v = row + k + 1;
    const double beyond = dot(v + 1, v + 1, left - 1);
    result.beside[at] = v[0];
    if (!(beyond > 0)) continue;  // already tridiagonal here
    const double norm = std::sqrt(v[0] * v[0] + beyond);
    const double alpha = v[0] > 0 ? -norm : norm;
    result.beside[at] = alpha;
    v[0] -= alpha;
    const double beta = 2.0 / (v[0] * v[0] + beyond);
    result.reflector[at] = beta;
    // With p = beta A v and w = p - (beta / 2)(p . v) v, the rest becomes A - v w' - w v'.
    std::fill_n(p.begin(), left, 0.0);
    for (std::int64_t i = 0; i < left; ++i) {
      add_scaled(v[i], matrix.data() + (k + 1 + i) * n + k + 1, p.data(), left);
    }
    scale_row(beta, p.data(), left);
    add_scaled(-0.5 * beta * dot(p.data(), v, left), v, p.data(), left);
    for (std::int64_t i = 0; i < left; ++i) {
      double* below = matrix.data() + (k + 1 + i) * n + k + 1;
      add_scaled(-v[i], p.data(), below, left);
      add_scaled(-p[static_cast<std::size_t>(i)], v, below, left);
    }
  }
  return result;
}

// The product of the reflections, transposed: row i is what unit vector i of the tridiagonal
// matrix's space is in the original one.
std::vector<double> reflections(const std::vector<double>& matrix, const Tridiagonal& reduced,
                                std::int64_t n) {
  std::vector<double> q(matrix.size(), 0.0);
  for (std::int64_t i = 0; i < n; ++i) q[static_cast<std::size_t>(i * n + i)] = 1.0;
  std::vector<double> p(static_cast<std::size_t>(n));
  for (std::int64_t k = n - 2; k >= 0; --k) {
    const double beta = reduced.reflector[static_cast<std::size_t>(k)];
    if (!(beta > 0)) continue;
    const double* v = matrix.data() + k * n + k + 1;
    const std::int64_t left = n - k - 1;
    std::fill_n(p.begin(), left, 0.0);
    for (std::int64_t i = 0; i < left; ++i) {
      add_scaled(v[i], q.data() + (k + 1 + i) * n + k + 1, p.data(), left);
    }
    for (std::int64_t i = 0; i < left; ++i) {
      add_scaled(-beta * v[i], p.data(), q.data() + (k + 1 + i) * n + k + 1, left);
    }
  }
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c < r; ++c) {
      std::swap(q[static_cast<std::size_t>(r * n + c)], q[static_cast<std::size_t>(c * n + r)]);
    }
  }
  return q;
}

// The first m >= from whose coupling to m + 1 is nothing beside the diagonal.
std::size_t block_end(const Tridiagonal& t, std::size_t from) {
  std::size_t m = from;
  for (; m + 1 < t.diagonal.size(); ++m) {
    const double here = std::abs(t.diagonal[m]) + std::abs(t.diagonal[m + 1]);
    if (std::abs(t.beside[m]) <= std::numeric_limits<double>::epsilon() * here) break;
  }
  return m;
}

// One implicit QL sweep over [l, m], shifted by the eigenvalue of the upper 2 x 2 block that is
// nearer to its first element. Rotations also turn the rows of `vectors`.
void sweep(Tridiagonal& t, std::size_t l, std::size_t m, std::vector<double>& vectors) {
  auto& d = t.diagonal;
  auto& e = t.beside;
  const auto n = static_cast<std::int64_t>(d.size());
  const double half_gap = (d[l + 1] - d[l]) / (2.0 * e[l]);
  const double root = std::sqrt(half_gap * half_gap + 1.0);
  double g = d[m] - d[l] + e[l] / (half_gap + (half_gap < 0 ? -root : root));
  double sine = 1.0;
  double cosine = 1.0;
  double carried = 0.0;
  for (std::size_t i = m; i-- > l;) {
    const double f = sine * e[i];
    const double b = cosine * e[i];
    const double r = std::sqrt(f * f + g * g);
    e[i + 1] = r;
    if (!(r > 0)) {  // the matrix split in the middle of the sweep
      d[i + 1] -= carried;
      e[m] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    g = d[i + 1] - carried;
    const double s = (d[i] - g) * sine + 2.0 * cosine * b;
    carried = sine * s;
    d[i + 1] = g + carried;
    g = cosine * s - b;
    double* row = vectors.data() + static_cast<std::int64_t>(i) * n;
    rotate_rows(cosine, sine, row, row + n, n);
  }
  d[l] -= carried;
  e[l] = g;
  e[m] = 0;
}

}  // namespace

Eigen symmetric_eigen(std::vector<double> matrix, std::int64_t n) {
  SLUICE_CHECK(n >= 0 && matrix.size() == static_cast<std::size_t>(n * n), "not a square matrix");
  Tridiagonal reduced = reduce(matrix, n);
  std::vector<double> vectors = reflections(matrix, reduced, n);
  const auto size = static_cast<std::size_t>(n);
  for (std::size_t l = 0; l < size; ++l) {
    for (int sweeps = 0; sweeps < kSweepsMax; ++sweeps) {
      const std::size_t m = block_end(reduced, l);
      if (m == l) break;
      sweep(reduced, l, m, vectors);
    }
  }
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  // NaN after all numbers: an order that a sort can rely on.
  const auto key = [&](std::size_t i) {
    const double value = reduced.diagonal[i];
    return value == value ? value : -std::numeric_limits<double>::infinity();
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return key(a) > key(b); });
  Eigen result{std::vector<double>(size), std::vector<double>(size * size)};
  for (std::size_t i = 0; i < size; ++i) {
    result.values[i] = reduced.diagonal[order[i]];
    std::copy_n(vectors.begin() + static_cast<std::ptrdiff_t>(order[i] * size), n,
                result.vectors.begin() + static_cast<std::ptrdiff_t>(i * size));
  }
  return result;
}

}  // namespace sluice::kernels
