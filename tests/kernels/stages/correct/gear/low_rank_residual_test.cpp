// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/correct/gear/low_rank_residual.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sluice::kernels {
namespace {

// Three directions of different strength, and a little beside them.
std::vector<float> residual_values(std::int64_t rows, std::int64_t columns, double beside) {
  std::vector<float> values;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const auto x = static_cast<double>(r + 1);
      const auto y = static_cast<double>(c + 1);
      values.push_back(static_cast<float>(
          std::sin(0.3 * x) * std::cos(0.7 * y) + 0.5 * std::cos(1.1 * x) * std::sin(0.2 * y) +
          0.25 * std::sin(2.3 * x) * std::cos(1.9 * y) + beside * std::sin(x * y * y)));
    }
  }
  return values;
}

double energy(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum;
}

// What is left of the residual when it is corrected, as a share of its energy.
double left(const std::vector<float>& values, std::int64_t rows, std::int64_t columns,
            std::int64_t rank, std::int64_t iterations = 3) {
  ByteWriter out;
  write_low_rank({values.data(), rows, columns, columns}, rank, iterations, out);
  std::vector<float> got(values.size(), 0.0F);
  ByteReader in(out.bytes());
  EXPECT_TRUE(add_low_rank(in, {got.data(), rows, columns, columns}));
  EXPECT_EQ(in.remaining(), 0U);
  for (std::size_t i = 0; i < got.size(); ++i) got[i] -= values[i];
  return energy(got) / std::max(energy(values), 1e-300);
}

TEST(LowRankResidual, TheStrongestDirectionsAreCorrected) {
  const auto values = residual_values(200, 64, 0.0);
  EXPECT_LT(left(values, 200, 64, 3), 2e-5);  // all but BF16's rounding
  EXPECT_LT(left(values, 200, 64, 4), 2e-5);  // more than there are
  const double by_two = left(values, 200, 64, 2, 12);
  EXPECT_NEAR(by_two, 0.0625 / 1.3125, 0.01);  // the third direction's energy
  EXPECT_NEAR(left(values, 200, 64, 2, 3), by_two, 0.01);
}

TEST(LowRankResidual, FewRowsOrColumnsLimitTheRank) {
  for (const std::int64_t rows : {1, 2, 3, 70}) {
    for (const std::int64_t columns : {1, 3, 80}) {
      const auto values = residual_values(rows, columns, 0.3);
      EXPECT_LT(left(values, rows, columns, 80), 2e-5) << rows << "x" << columns;
    }
  }
  EXPECT_NEAR(left(residual_values(5, 8, 0.1), 5, 8, 0), 1.0, 0.0);
  EXPECT_EQ(left({}, 0, 8, 4), 0.0);
  EXPECT_EQ(left(std::vector<float>(40, 0.0F), 5, 8, 4), 0.0);  // nothing to correct
  EXPECT_LT(left(std::vector<float>(40, 7.0F), 5, 8, 4), 1e-5);
}

TEST(LowRankResidual, WrongBytesAreRefused) {
  const auto values = residual_values(6, 8, 0.1);
  ByteWriter out;
  write_low_rank({values.data(), 6, 8, 8}, 4, 3, out);
  std::vector<float> rows(48);
  for (std::size_t bytes = 0; bytes < out.bytes().size(); ++bytes) {
    ByteReader cut(Bytes(out.bytes()).first(bytes));
    ASSERT_FALSE(add_low_rank(cut, {rows.data(), 6, 8, 8})) << bytes;
  }
  auto changed = out.bytes();
  changed[0] = std::byte{7};
  ByteReader more(changed);
  EXPECT_FALSE(add_low_rank(more, {rows.data(), 6, 8, 8}));
}

}  // namespace
}  // namespace sluice::kernels
