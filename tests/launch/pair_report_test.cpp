// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_report.hpp"

#include <gtest/gtest.h>

namespace sluice::launch {
namespace {

TEST(PairReport, IsWholeWithItsLastLine) {
  const std::string sealed = seal_pair_report("path\n  SLOW\n", 3);
  const PairReport report = split_pair_report(sealed);
  EXPECT_TRUE(report.is_whole);
  EXPECT_EQ(report.text, "path\n  SLOW\n");
  EXPECT_EQ(report.status, 3);
  for (std::size_t bytes = 0; bytes < sealed.size(); ++bytes) {
    EXPECT_FALSE(split_pair_report(sealed.substr(0, bytes)).is_whole) << bytes;
  }
  // What mpirun may add behind it is not of the report.
  EXPECT_EQ(split_pair_report(sealed + "mpirun: noise\n").text, "path\n  SLOW\n");
}

}  // namespace
}  // namespace sluice::launch
