// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/figure_text.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::runtime {
namespace {

constexpr FigureStyle kPercent{.factor = 100.0};

TEST(FigureText, AnIntervalIsTwoToNineteenUnitsOfItsLastDigit) {
  EXPECT_EQ(interval_text({0.8432, 0.7011, 0.9789}, kPercent), "84 [70, 98]");
  EXPECT_EQ(interval_text({0.8432, 0.8311, 0.8589}, kPercent), "84.3 [83.1, 85.9]");
  EXPECT_EQ(interval_text({0.00071, 0.00042, 0.00104}), "0.0007 [0.0004, 0.0010]");
  EXPECT_EQ(interval_text({0.0614, 0.0424, 0.0804}), "0.061 [0.042, 0.080]");
  EXPECT_EQ(interval_text({512.3, 100.0, 900.0}), "512 [100, 900]");
}

TEST(FigureText, ChangesCarryTheirSign) {
  constexpr FigureStyle kChange{.factor = 100.0, .is_signed = true};
  EXPECT_EQ(interval_text(change_of({1.044, 0.99, 1.10}), kChange), "+4 [-1, +10]");
  EXPECT_EQ(fixed_text(-0.04, 1, true), "+0.0");  // a zero has no minus
  EXPECT_EQ(fixed_text(-0.04, 1), "0.0");
}

TEST(FigureText, WithoutAWidthThereIsTheMeanAlone) {
  EXPECT_EQ(interval_text({1.0, 1.0, 1.0}, kPercent), "100");
  EXPECT_EQ(interval_text({0.0, 0.0, 0.0}), "0");
  EXPECT_EQ(interval_text({0.012345, 0.012345, 0.012345}), "0.0123");
  EXPECT_EQ(interval_text({2.5, NAN, NAN}), "2.50");
}

TEST(FigureText, NoNumberIsADash) {
  EXPECT_EQ(interval_text({NAN, NAN, NAN}), kNoFigure);
  EXPECT_EQ(mean_text({HUGE_VAL, 0.0, 1.0}), kNoFigure);
  EXPECT_EQ(fixed_text(NAN, 2, true), kNoFigure);
}

TEST(FigureText, TinyAndHugeFiguresStayText) {
  EXPECT_EQ(interval_text({1e-9, 0.0, 2e-9}), "0.000000 [0.000000, 0.000000]");
  EXPECT_EQ(fixed_text(1e300, 0).size(), 301U);
}

TEST(FigureText, RatiosHaveThreeDigits) {
  EXPECT_EQ(ratio_text(1.0), "1.00");
  EXPECT_EQ(ratio_text(9.994), "9.99");
  EXPECT_EQ(ratio_text(20.16), "20.2");
}

TEST(FigureText, WordsMeanOnlyThemselvesInMarkdown) {
  EXPECT_EQ(markdown_text("q2c, 50 %"), "q2c, 50 %");
  EXPECT_EQ(markdown_text("expected_attention"), "expected_attention");
  EXPECT_EQ(markdown_text("_a_ | <b> `c` [d](e)\n"), "\\_a\\_ \\| \\<b\\> \\`c\\` \\[d\\](e) ");
}

}  // namespace
}  // namespace sluice::runtime
