// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/predict/predict_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

namespace sluice::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Floats = std::vector<float>;

Floats values(ConstMatrix rows) { return {rows.data, rows.data + rows.rows * rows.columns}; }

// A frame of two layers, of width 2, with one feature; every number of its profile is exact.
class PredictModelOf : public ::testing::Test {
 protected:
  PredictModelOf() {
    for (std::int64_t block = 0; block < 4; ++block) {
      const auto at = static_cast<float>(block);
      put("mean", block, {2}, {at + 1, -at - 1});
      put("forward", block, {2, 2}, {1, 0, 0, 1});
      put("inverse", block, {2, 2}, {1, 2, 3, 4});
      put("variance", block, {2}, {4, 1});
      put("known", block, {1, 2}, {10 + at, 20 + at});
      put_bf16("feature", block, {2, 1}, {0x3f00, 0x3f80});  // 0.5, 1
      // Of the inputs: (1, -1), (2, -1), (3, -1).
      std::vector<std::uint16_t> weight = {0x3f80, 0xbf80, 0x4000, 0xbf80, 0x4040, 0xbf80};
      weight.resize(static_cast<std::size_t>(2 * block));
      if (block > 0) put_bf16("weight", block, {block, 2}, weight);
    }
    put("known", 0, {2, 2}, {10, 20, 30, 40});
    plane_.shape = &shape_;
    plane_.profile = &profile_;
    plane_.tables = "p";
    plane_.half = KvHalf::kBoth;
    plane_.layer_count = 2;
    plane_.head_count = 1;
  }

  static std::string name(const char* what, std::int64_t block) {
    return predict_tensor_name("p", what, block % 2 == 0, block / 2);
  }
  void put(const char* what, std::int64_t block, std::vector<std::int64_t> shape,
           const Floats& data) {
    profile_.put(name(what, block), DType::kF32, std::move(shape), std::as_bytes(std::span(data)));
  }
  void put_bf16(const char* what, std::int64_t block, std::vector<std::int64_t> shape,
                const std::vector<std::uint16_t>& data) {
    profile_.put(name(what, block), DType::kBF16, std::move(shape), std::as_bytes(std::span(data)));
  }

  CacheShape shape_{.layers = 2, .kv_heads = 1, .head_dim = 2, .model_fingerprint = 1, .rope = {}};
  PredictSettings settings_{.layers = 2, .previous = 1, .features = 1};
  Profile profile_;
  Plane plane_;
};

TEST(PredictInputs, AreTheLayersBeforeNearestFirstAndTheKeyOfTheLayer) {
  EXPECT_THAT(predict_inputs(0, 2), IsEmpty());
  EXPECT_THAT(predict_inputs(1, 2), ElementsAre(0));
  EXPECT_THAT(predict_inputs(2, 2), ElementsAre(0, 1));
  EXPECT_THAT(predict_inputs(7, 2), ElementsAre(4, 5, 2, 3, 6));
  EXPECT_THAT(predict_inputs(6, 0), IsEmpty());
  EXPECT_EQ(predict_tensor_name("chat", "mean", false, 3), "predict.chat.mean.v.3");
}

TEST_F(PredictModelOf, KnowsTheFrameItsInputsAndTheFewestKnownRows) {
  const auto model = PredictModel::of(plane_, settings_);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->width, 2);
  EXPECT_EQ(model->slots, 4);
  EXPECT_EQ(model->known, 1);  // the first block's profile holds two
  ASSERT_EQ(model->blocks.size(), 4U);
  EXPECT_EQ(model->blocks[0].weights, nullptr);
  EXPECT_THAT(model->blocks[3].inputs, ElementsAre(0, 1, 2));
  EXPECT_TRUE(model->blocks[2].is_input);
  EXPECT_FALSE(model->blocks[3].is_input);
  EXPECT_EQ(model->blocks[3].mean[1], -4.0F);
}

TEST_F(PredictModelOf, RefusesTensorsOfAnotherSize) {
  settings_.features = 64;  // cut to the width: the profile's features are too few
  EXPECT_THAT(PredictModel::of(plane_, settings_).error().message, HasSubstr("feature.k.0"));
  settings_.features = 1;
  put("known", 2, {2, 1}, {1, 2});
  const auto model = PredictModel::of(plane_, settings_);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(model.error().message, HasSubstr("known rows"));
}

TEST_F(PredictModelOf, GoesThroughItsLoopAsWorkedOutByHand) {
  PredictLoop loop(*PredictModel::of(plane_, settings_));
  const std::vector<std::int32_t> positions = {0, 5};  // the first one is known
  loop.begin(positions, 1);
  EXPECT_EQ(values(loop.predict(0)), (Floats{10, 20, 1, -1}));
  const Floats one = {0, 2};  // of the first component alone
  EXPECT_EQ(values(loop.complete(0, {one.data(), 2, 1, 1})), (Floats{10, 20, 3, 3}));
  // The feature of (3, 3) less the mean is 0.5 * 2 + 4 = 5.
  EXPECT_EQ(values(loop.predict(1)), (Floats{11, 21, 2 + 5, -2 - 5}));
  const Floats none = {0, 0, 0, 0};
  EXPECT_EQ(values(loop.complete(1, {none.data(), 2, 2, 2})), (Floats{11, 21, 7, -7}));
  // That of (7, -7) is -2.5.
  EXPECT_EQ(values(loop.predict(2)), (Floats{12, 22, 3 + 5 - 2 * 2.5F, -3 - 5 + 2.5F}));
  const Floats both = {0, 0, 1, -1};
  EXPECT_EQ(values(loop.complete(2, {both.data(), 2, 2, 2})), (Floats{12, 22, 1, -7.5F}));
  // And that of (1, -7.5) is -5.5.
  EXPECT_EQ(values(loop.predict(3)), (Floats{13, 23, 4 + 5 - 5 - 16.5F, -4 - 5 + 2.5F + 5.5F}));
  loop.begin(positions, 0);  // another template: nothing is known
  EXPECT_EQ(values(loop.predict(0)), (Floats{1, -1, 1, -1}));
}

TEST_F(PredictModelOf, KeepsHostileComponentsFinite) {
  PredictLoop loop(*PredictModel::of(plane_, settings_));
  const std::vector<std::int32_t> positions = {4, 5, 6};
  loop.begin(positions, 0);
  loop.predict(0);
  const Floats wild = {1e30F, -INFINITY, NAN};
  const Floats decoded = values(loop.complete(0, {wild.data(), 3, 1, 1}));
  EXPECT_EQ(decoded, (Floats{1e18F, 1e18F, -1e18F, -1e18F, 1e18F, 1e18F}));
  for (const float value : values(loop.predict(1))) EXPECT_TRUE(std::isfinite(value));
}

}  // namespace
}  // namespace sluice::kernels
