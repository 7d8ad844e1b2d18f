// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/axis_scale.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> labels(const std::vector<double>& values, ChartScale scale) {
  std::vector<std::string> written;
  const AxisScale axis(values, scale);
  for (const double tick : axis.ticks()) written.push_back(axis_label(tick));
  return written;
}

TEST(AxisScale, LinearTicksAreRoundAndEndTheAxis) {
  EXPECT_THAT(labels({0, 97}, ChartScale::kLinear),
              ElementsAre("0", "20", "40", "60", "80", "100"));
  EXPECT_THAT(labels({-3, 12}, ChartScale::kLinear), ElementsAre("-5", "0", "5", "10", "15"));
  EXPECT_THAT(labels({0.1, 0.7}, ChartScale::kLinear),
              ElementsAre("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"));
}

TEST(AxisScale, LogarithmicTicksAreDecadesOrRoundBetweenThem) {
  EXPECT_THAT(labels({0.0002, 2.3}, ChartScale::kLog), ElementsAre("0.001", "0.01", "0.1", "1"));
  EXPECT_THAT(labels({1, 40}, ChartScale::kLog), ElementsAre("1", "2", "5", "10", "20"));
  EXPECT_THAT(labels({512, 1024}, ChartScale::kLog), ElementsAre("500", "600", "800", "1000"));
}

TEST(AxisScale, SignedLogarithmicTicksHaveNothingInTheMiddle) {
  EXPECT_THAT(labels({-0.5, 480}, ChartScale::kSignedLog),
              ElementsAre("-1", "0", "1", "3", "10", "30", "100", "300"));
  EXPECT_THAT(labels({-20, 5000}, ChartScale::kSignedLog),
              ElementsAre("-10", "-1", "0", "1", "10", "100", "1000"));
  const std::vector<double> values = {-10, 10};
  const AxisScale scale(values, ChartScale::kSignedLog);
  EXPECT_DOUBLE_EQ(scale.share(0), 0.5);
  EXPECT_DOUBLE_EQ(scale.share(3) + scale.share(-3), 1.0);
  // Small changes stay apart, and a tenfold change takes about as much room as the next one.
  EXPECT_GT(scale.share(1) - scale.share(0), 0.1);
}

TEST(AxisScale, SharesGrowFromTheLowEndToTheHigh) {
  const std::vector<double> values = {1, 100};
  const AxisScale scale(values, ChartScale::kLog);
  EXPECT_GT(scale.share(1), 0.0);
  EXPECT_LT(scale.share(100), 1.0);
  EXPECT_NEAR(scale.share(10), 0.5, 1e-12);
  EXPECT_EQ(scale.share(0), 0.0);
  EXPECT_EQ(scale.share(-1), 0.0);
  EXPECT_EQ(scale.share(NAN), 0.0);
  EXPECT_EQ(scale.share(1e9), 1.0);
}

TEST(AxisScale, NothingOrOneValueStillHasAnAxis) {
  for (const ChartScale scale : {ChartScale::kLinear, ChartScale::kLog, ChartScale::kSignedLog}) {
    EXPECT_FALSE(AxisScale({}, scale).ticks().empty());
    const std::vector<double> one = {7.0};
    EXPECT_GE(AxisScale(one, scale).ticks().size(), 2U);
    EXPECT_GT(AxisScale(one, scale).share(7.0), 0.0);
    EXPECT_LT(AxisScale(one, scale).share(7.0), 1.0);
    const std::vector<double> bad = {NAN, HUGE_VAL, -1.0, 0.0};
    EXPECT_FALSE(AxisScale(bad, scale).ticks().empty());
  }
}

}  // namespace
}  // namespace sluice::runtime
