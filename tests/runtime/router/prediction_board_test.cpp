// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/prediction_board.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sluice::runtime {
namespace {

// Placed at once, predicted as modelled.
PredictionBoard::Sample sample(double predicted_s, double measured_s,
                               std::string_view level = "raw") {
  return {level, predicted_s, predicted_s, measured_s, 0.0};
}

TEST(PredictionBoard, ErrorsAreRelativeToWhatHappened) {
  PredictionBoard board;
  EXPECT_EQ(board.accuracy().count, 0);
  for (int i = 1; i <= 10; ++i) board.add(sample(1.0 + 0.01 * i, 1.0));
  board.add(sample(0.5, 1.0));  // too early is as wrong as too late
  EXPECT_EQ(board.accuracy().count, 11);
  EXPECT_NEAR(board.accuracy().error_median, 0.06, 1e-9);
  EXPECT_NEAR(board.accuracy().error_p90, 0.10, 1e-9);
}

TEST(PredictionBoard, LevelsAreToldApart) {
  PredictionBoard board;
  board.add(sample(1.1, 1.0, "raw"));
  board.add(sample(1.5, 1.0, "int4"));
  board.add(sample(1.7, 1.0, "int4"));
  const auto levels = board.accuracy_by_level();
  ASSERT_EQ(levels.size(), 2U);
  EXPECT_EQ(levels.at("raw").count, 1);
  EXPECT_NEAR(levels.at("raw").error_p90, 0.1, 1e-9);
  EXPECT_EQ(levels.at("int4").count, 2);
  EXPECT_NEAR(levels.at("int4").error_median, 0.5, 1e-9);
  EXPECT_NEAR(levels.at("int4").error_p90, 0.7, 1e-9);
}

TEST(PredictionBoard, TheWindowSlides) {
  PredictionBoard board({.window = 4, .weight = 0.1, .factor_max = 2.0});
  for (int i = 0; i < 4; ++i) board.add(sample(3.0, 1.0, "old"));
  for (int i = 0; i < 4; ++i) board.add(sample(1.0, 1.0, "new"));
  EXPECT_EQ(board.accuracy().count, 4);
  EXPECT_EQ(board.accuracy().error_p90, 0.0);
  EXPECT_EQ(board.accuracy_by_level().count("old"), 0U);
}

TEST(PredictionBoard, TheCorrectionFindsASlownessAndLeavesTheWaitOut) {
  PredictionBoard board;
  EXPECT_EQ(board.correction(), 1.0);
  // Modelled 1 s, took 1.3 s, each after 5 s of waiting.
  const PredictionBoard::Sample slow{"raw", 1.0, 6.0, 6.3, 5.0};
  board.add(slow);
  EXPECT_GT(board.correction(), 1.0);
  EXPECT_LT(board.correction(), 1.1);
  double before = board.correction();
  for (int i = 0; i < 300; ++i) {
    board.add(slow);
    EXPECT_GE(board.correction(), before);
    before = board.correction();
  }
  EXPECT_NEAR(board.correction(), 1.3, 1e-3);
  // What is predicted with the correction does not change it further.
  const PredictionBoard::Sample corrected{"raw", 1.0, 6.3, 6.3, 5.0};
  for (int i = 0; i < 300; ++i) board.add(corrected);
  EXPECT_NEAR(board.correction(), 1.3, 1e-3);
}

TEST(PredictionBoard, TheCorrectionIsBoundedAndSlow) {
  PredictionBoard board;
  for (int i = 0; i < 100; ++i) board.add(sample(1.0, 1.0));
  board.add(sample(1.0, 1e6));
  EXPECT_LT(board.correction(), 1.07);
  for (int i = 0; i < 1000; ++i) board.add(sample(1.0, 1e6));
  EXPECT_LE(board.correction(), 2.0 + 1e-9);
  for (int i = 0; i < 1000; ++i) board.add(sample(1e6, 1.0));
  EXPECT_GE(board.correction(), 0.5 - 1e-9);
}

TEST(PredictionBoard, WhatIsNoPredictionIsNotCounted) {
  PredictionBoard board;
  const double infinity = std::numeric_limits<double>::infinity();
  board.add(sample(0.0, 1.0));
  board.add(sample(1.0, 0.0));
  board.add(sample(infinity, 1.0));
  board.add(sample(1.0, std::nan("")));
  EXPECT_EQ(board.accuracy().count, 0);
  EXPECT_EQ(board.correction(), 1.0);
  board.add({"raw", infinity, 1.0, 1.0, 0.0});  // told, but not by the model
  EXPECT_EQ(board.accuracy().count, 1);
  EXPECT_EQ(board.correction(), 1.0);
}

}  // namespace
}  // namespace sluice::runtime
