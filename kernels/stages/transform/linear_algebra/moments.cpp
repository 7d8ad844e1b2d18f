// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/moments.hpp"

#include <algorithm>
#include <cstddef>

#include "kernels/core/check.hpp"
#include "kernels/stages/transform/linear_algebra/multiply.hpp"

namespace sluice::kernels {

Moments::Moments(std::int64_t columns)
    : columns_(columns),
      sum_(static_cast<std::size_t>(columns), 0.0),
      products_(static_cast<std::size_t>(columns * columns), 0.0) {}

void Moments::add(ConstMatrix rows) {
  SLUICE_CHECK(rows.columns == columns_, "rows of another width");
  for (std::int64_t row = 0; row < rows.rows; ++row) {
    const float* values = rows.row(row);
    for (std::size_t c = 0; c < sum_.size(); ++c) sum_[c] += values[c];
  }
  add_gram(rows, {products_.data(), columns_, columns_, columns_});
  rows_ += rows.rows;
}

std::vector<double> Moments::mean() const {
  std::vector<double> result = sum_;
  const auto count = static_cast<double>(std::max<std::int64_t>(rows_, 1));
  for (double& value : result) value = value / count;
  return result;
}

std::vector<double> Moments::second(bool is_centred) const {
  const auto count = static_cast<double>(std::max<std::int64_t>(rows_, 1));
  const std::vector<double> centre = mean();
  std::vector<double> result = products_;
  for (std::size_t r = 0; r < centre.size(); ++r) {
    for (std::size_t c = 0; c < centre.size(); ++c) {
      double& value = result[r * centre.size() + c];
      value = value / count;
      if (is_centred) value = value - centre[r] * centre[c];
    }
  }
  return result;
}

}  // namespace sluice::kernels
