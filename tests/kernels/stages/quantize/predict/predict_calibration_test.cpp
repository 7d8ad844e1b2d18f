// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/predict/predict_calibration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/core/dtype.hpp"
#include "kernels/stages/quantize/predict/predict.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

// Frames of one layer whose K and V are one number each: what is learnt can be worked out by hand.
class PredictLearns : public ::testing::Test {
 protected:
  static std::unique_ptr<Calibration> learner(ParameterMap more) {
    more.try_emplace("step", 0.001);
    more.try_emplace("skip_tokens", 0.0);
    const StageRow& row = predict_row();
    auto parameters = Parameters::parse(row.name, row.parameters, more);
    EXPECT_TRUE(parameters) << parameters.error().message;
    return calibrate_predict({{.layers = 1, .previous = 1, .features = 4}, std::move(*parameters)});
  }

  // V is 3 - 2 K.
  Status observe(Calibration& learner, const std::vector<float>& keys, std::int64_t layer = 0) {
    std::vector<float> rows;
    for (const float key : keys) rows.insert(rows.end(), {key, 3.0F - 2.0F * key});
    std::vector<std::int32_t> positions(keys.size());
    std::iota(positions.begin(), positions.end(), 0);
    Plane plane;
    plane.shape = &shape_;
    plane.tables = "p";
    plane.half = KvHalf::kBoth;
    plane.layer_first = layer;
    plane.head_count = 1;
    plane.positions = positions;
    return learner.observe(
        plane, {rows.data(), static_cast<std::int64_t>(keys.size()), columns_, std::int64_t{2}});
  }

  void finish(Calibration& learner) {
    const Status done = learner.finish(profile_);
    ASSERT_TRUE(done) << done.error().message;
  }
  float first(const char* name) const {
    const auto tensor = profile_.find(name);
    if (!tensor) ADD_FAILURE() << name;
    if (!tensor) return NAN;
    return tensor->dtype == DType::kBF16 ? f32_from_bf16(*tensor->as<std::uint16_t>())
                                         : *tensor->as<float>();
  }

  CacheShape shape_{.layers = 2, .kv_heads = 1, .head_dim = 1, .model_fingerprint = 1, .rope = {}};
  std::int64_t columns_ = 2;  // as the rows say
  Profile profile_;
};

TEST_F(PredictLearns, TheMeanThePredictorAndWhatItLeaves) {
  const std::vector<float> keys = {4, 6, 8, 2, 5, 5};  // mean 5, variance 20/6
  for (const double ridge : {0.001, 1.0}) {
    const auto learner = PredictLearns::learner({{"ridge", ridge}});
    ASSERT_TRUE(observe(*learner, keys));
    finish(*learner);
    EXPECT_EQ(first("predict.p.mean.k.0"), 5.0F);
    EXPECT_EQ(first("predict.p.mean.v.0"), -7.0F);
    EXPECT_NEAR(first("predict.p.variance.k.0"), 20.0F / 6.0F, 1e-4);
    // The feature has variance 1, so the ridge makes the slope -2 smaller by 1 + ridge.
    EXPECT_NEAR(std::fabs(first("predict.p.feature.k.0")), std::sqrt(6.0F / 20.0F), 0.003);
    const double slope = first("predict.p.feature.k.0") * first("predict.p.weight.v.0");
    EXPECT_NEAR(slope, -2.0 / (1.0 + ridge), 0.02);
    const double left = 2.0 - 2.0 / (1.0 + ridge);
    EXPECT_NEAR(first("predict.p.variance.v.0"), left * left * 20.0 / 6.0, 0.05);
    EXPECT_EQ(first("predict.p.forward.v.0") * first("predict.p.inverse.v.0"), 1.0F);
    EXPECT_TRUE(profile_.find("waterfill.p.frequency"));
  }
}

TEST_F(PredictLearns, NothingFromRowsThatAreKnownOrSkipped) {
  const std::vector<float> one = {100, 90, 80, 1, 3, 5, 7};
  const auto known = learner({});
  ASSERT_TRUE(observe(*known, one));
  ASSERT_TRUE(observe(*known, {100, 90, 80, 2, 4, 6, 8}));
  finish(*known);
  EXPECT_EQ(profile_.find("predict.p.known.v.0")->shape[0], 3);
  EXPECT_EQ(profile_.find("predict.p.known.v.0")->as<float>()[2], 3.0F - 160.0F);
  EXPECT_EQ(first("predict.p.mean.k.0"), 4.5F);
  // One cache alone does not tell which rows all begin with.
  const auto alone = learner({});
  ASSERT_TRUE(observe(*alone, one));
  finish(*alone);
  EXPECT_EQ(profile_.find("predict.p.known.k.0")->shape[0], 0);
  EXPECT_FLOAT_EQ(first("predict.p.mean.k.0"), 286.0F / 7.0F);
  const auto skipping = learner({{"skip_tokens", 3.0}});
  ASSERT_TRUE(observe(*skipping, one));
  finish(*skipping);
  EXPECT_EQ(first("predict.p.mean.k.0"), 4.0F);
}

TEST_F(PredictLearns, FrameByFrame) {
  const auto learner = PredictLearns::learner({});
  ASSERT_TRUE(observe(*learner, {1, 2, 3}));
  ASSERT_TRUE(observe(*learner, {3, 4, 5}));
  ASSERT_TRUE(observe(*learner, {11, 12, 16}, 1));
  finish(*learner);
  EXPECT_EQ(first("predict.p.mean.k.0"), 3.0F);
  EXPECT_EQ(first("predict.p.mean.k.1"), 13.0F);
  // A frame's first layer is predicted from no other frame's.
  EXPECT_FALSE(profile_.find("predict.p.weight.k.1"));
}

TEST_F(PredictLearns, NotFromRowsThatTellNothing) {
  const auto same = learner({});
  ASSERT_TRUE(observe(*same, {1, 2, 3}));
  ASSERT_TRUE(observe(*same, {1, 2, 3}));
  const Status done = same->finish(profile_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(done.error().message, HasSubstr("every prompt begins with"));
  columns_ = 1;
  EXPECT_THAT(observe(*learner({}), {1, 2}).error().message, HasSubstr("change the columns"));
}

}  // namespace
}  // namespace sluice::kernels
