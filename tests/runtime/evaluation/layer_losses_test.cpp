// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/layer_losses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"
#include "tests/runtime/evaluation/tiny_evaluation.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

class LayerLossesTest : public TinyEvaluation {
 protected:
  void SetUp() override {
    TinyEvaluation::SetUp();
    for (const char* text : {"the sum of two and two", "a colour of the sky at noon in summer"}) {
      EvaluationItem item;
      item.task = "squad";
      item.id = text;
      item.prompt = text;
      item.answers = {"four"};
      items_.push_back(item);
    }
  }

  std::vector<EvaluationItem> items_;
  const std::vector<int> bits_{4, 2};
};

// Of two layers, one alone is all but the other.
TEST_F(LayerLossesTest, AloneAndAllButMeetInAModelOfTwoLayers) {
  std::int64_t last = 0;
  std::int64_t total = 0;
  const auto found = measure_layer_losses(items_, model_, bits_,
                                          {2,
                                           [&](std::int64_t done, std::int64_t of) {
                                             EXPECT_GE(done, last);
                                             last = done;
                                             total = of;
                                           },
                                           {}});
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 2U);
  for (const LayerLosses& losses : *found) {
    ASSERT_EQ(losses.alone.size(), 2U);
    ASSERT_EQ(losses.all.size(), items_.size());
    for (std::size_t item = 0; item < items_.size(); ++item) {
      EXPECT_EQ(losses.none[item].kl, 0.0);
      EXPECT_EQ(losses.none[item].top1, 1.0);
      EXPECT_GT(losses.all[item].kl, 0.0);
      EXPECT_EQ(losses.alone[0][item].kl, losses.but[1][item].kl);
      EXPECT_EQ(losses.alone[1][item].kl, losses.but[0][item].kl);
      EXPECT_NE(losses.key[0][item].kl, losses.value[0][item].kl);
      EXPECT_NE(losses.key[0][item].kl, losses.alone[0][item].kl);
    }
  }
  EXPECT_EQ((*found)[0].bits, 4);
  EXPECT_GT((*found)[0].bits_per_element, (*found)[1].bits_per_element);
  EXPECT_GT((*found)[1].all[0].kl, (*found)[0].all[0].kl);
  EXPECT_EQ((*found)[0].none[0].nll, (*found)[1].none[0].nll);
  EXPECT_EQ(total, 2 * 2 * (2 + 4 * 2));
  EXPECT_EQ(last, total);
}

// What is mixed is what the workers' frames bring.
TEST_F(LayerLossesTest, AllQuantizedIsWhatThePresetLoses) {
  const auto found = measure_layer_losses(items_, model_, bits_, {1, {}, {}});
  ASSERT_TRUE(found) << found.error().message;
  const auto options = engine_options("cpu", "auto", 1);
  auto prefill = PrefillEngine::create(*file_, *options, {});
  auto decode = DecodeEngine::create(*file_, {.threads = 1});
  ASSERT_TRUE(prefill && decode);
  const auto pipeline =
      kernels::Pipeline::create(layer_quantizer(4), cache_shape_of(*file_), nullptr);
  ASSERT_TRUE(pipeline);
  for (std::size_t item = 0; item < items_.size(); ++item) {
    const auto reference = make_reference(items_[item], model_, **prefill, **decode);
    ASSERT_TRUE(reference) << reference.error().message;
    const auto outcome = measure_outcome(*reference, **pipeline, nullptr, model_, **decode);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->kl, (*found)[0].all[item].kl);
    EXPECT_EQ(outcome->nll, (*found)[0].all[item].nll);
  }
}

TEST_F(LayerLossesTest, ExactLayersAddUp) {
  const auto found = measure_layer_losses(items_, model_, bits_, {1, {}, {}});
  const std::vector<std::int32_t> worst{1, 0};
  const auto exact = measure_exact_layers(items_, model_, 2, worst, {1, {}, {}});
  ASSERT_TRUE(found && exact);
  ASSERT_EQ(exact->size(), 2U);
  for (std::size_t item = 0; item < items_.size(); ++item) {
    EXPECT_EQ((*exact)[0][item].kl, (*found)[1].but[1][item].kl);
    EXPECT_EQ((*exact)[1][item].kl, 0.0);
  }
}

TEST_F(LayerLossesTest, StopsWhenItIsTold) {
  int asked = 0;
  const auto found =
      measure_layer_losses(items_, model_, bits_, {1, {}, [&] { return ++asked > 2; }});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kCancelled);
}

TEST_F(LayerLossesTest, AnItemThatCannotBeMeasuredIsNamed) {
  items_[1].answers = {""};
  const auto found = measure_layer_losses(items_, model_, bits_, {1, {}, {}});
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr(items_[1].id));
}

}  // namespace
}  // namespace sluice::runtime
