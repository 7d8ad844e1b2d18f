// SPDX-License-Identifier: Apache-2.0
// Mean and covariance of columns, gathered over many caches.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

class Moments {
 public:
  explicit Moments(std::int64_t columns);
  void add(ConstMatrix rows);

  std::int64_t columns() const { return columns_; }
  std::int64_t rows() const { return rows_; }
  // [columns]; zeros without rows.
  std::vector<double> mean() const;
  // [columns][columns]: the mean of (x - mean)(x - mean)', or of x x' if not centred.
  std::vector<double> second(bool is_centred) const;

 private:
  std::int64_t columns_;
  std::int64_t rows_ = 0;
  std::vector<double> sum_;
  std::vector<double> products_;
};

}  // namespace sluice::kernels
