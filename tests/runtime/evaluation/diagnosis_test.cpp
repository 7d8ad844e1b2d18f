// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/diagnosis.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace sluice::runtime {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::size_t kLayers = 30;
constexpr std::size_t kItems = 12;

// Items differ threefold, as prompts do; the layers' shares are the same in all of them.
ItemLosses items_of(double kl, std::size_t items = kItems) {
  ItemLosses losses;
  for (std::size_t i = 0; i < items; ++i) {
    losses.push_back({kl * (0.5 + static_cast<double>(i % 3) / 2.0), 1.0, 1.0});
  }
  return losses;
}

// A model in which the layers' losses add up.
struct Model {
  explicit Model(std::vector<double> by_layer, std::size_t items = kItems) : layers(by_layer) {
    const double sum = std::accumulate(layers.begin(), layers.end(), 0.0);
    losses.bits = 4;
    losses.bits_per_element = 4.5;
    losses.none = items_of(0.0, items);
    losses.all = items_of(sum, items);
    for (const double loss : layers) {
      losses.alone.push_back(items_of(loss, items));
      losses.but.push_back(items_of(sum - loss, items));
    }
  }
  // The measuring of all sets, and the verdict.
  Diagnosis diagnose() const {
    Diagnosis diagnosis = diagnose_layers(losses);
    std::vector<ItemLosses> exact;
    double left = std::accumulate(layers.begin(), layers.end(), 0.0);
    for (const std::int32_t layer : diagnosis.standing_out) {
      left -= layers[static_cast<std::size_t>(layer)];
      exact.push_back(items_of(left, losses.all.size()));
    }
    decide_fragile(losses, exact, diagnosis);
    return diagnosis;
  }

  std::vector<double> layers;
  LayerLosses losses;
};

// Layers differ by up to a factor of two: what a model without a bottleneck looks like.
std::vector<double> even_layers() {
  std::vector<double> layers;
  for (std::size_t i = 0; i < kLayers; ++i) {
    layers.push_back(0.001 * std::exp2(static_cast<double>(i * 7 % kLayers) / kLayers));
  }
  return layers;
}

TEST(Diagnosis, ALayerThatLosesAlmostEverythingIsFragile) {
  auto layers = even_layers();
  layers[3] = 1.0;
  const Diagnosis diagnosis = Model(layers).diagnose();
  EXPECT_THAT(diagnosis.fragile, ElementsAre(3));
  EXPECT_THAT(diagnosis.reason, StartsWith("layer 3: "));
  EXPECT_GT(diagnosis.layers[3].share, 0.9);
  EXPECT_NEAR(diagnosis.layers[3].won_back.mean, diagnosis.layers[3].share, 1e-9);
  ASSERT_EQ(diagnosis.sets.size(), 1U);
  EXPECT_NEAR(diagnosis.sets[0].cost, 11.5 / kLayers, 1e-12);
}

TEST(Diagnosis, AModelThatLosesEvenlyHasNone) {
  const Diagnosis diagnosis = Model(even_layers()).diagnose();
  EXPECT_THAT(diagnosis.fragile, IsEmpty());
  EXPECT_THAT(diagnosis.standing_out, IsEmpty());
  EXPECT_THAT(diagnosis.reason, StartsWith("none: no layer"));
  for (const LayerDiagnosis& layer : diagnosis.layers) {
    EXPECT_LT(layer.deviations, kStandsOutDeviations);
  }
}

// Losing much in all layers is no reason to spare one.
TEST(Diagnosis, ALargeLossIsNoBottleneck) {
  auto layers = even_layers();
  for (double& layer : layers) layer *= 1000.0;
  EXPECT_THAT(Model(layers).diagnose().fragile, IsEmpty());
}

// 20 % of the loss: as many bytes spread over 30 layers win back 41 %.
TEST(Diagnosis, ALayerThatStandsOutButIsNotWorthItsBytesIsNot) {
  auto layers = even_layers();
  layers[0] = 0.25 * std::accumulate(layers.begin() + 1, layers.end(), 0.0);
  const Diagnosis diagnosis = Model(layers).diagnose();
  EXPECT_THAT(diagnosis.standing_out, ElementsAre(0));
  EXPECT_THAT(diagnosis.fragile, IsEmpty());
  EXPECT_THAT(diagnosis.reason, HasSubstr("layer 0 stands out, but"));
  ASSERT_EQ(diagnosis.sets.size(), 1U);
  EXPECT_NEAR(diagnosis.sets[0].won_back.mean, 0.2, 1e-9);
  EXPECT_NEAR(diagnosis.sets[0].worth.mean, std::log(1.0 / 0.8) / std::log(4.0), 1e-9);
}

// None of four equal ones is worth its bytes alone; all four are.
TEST(Diagnosis, LayersAreFragileTogether) {
  auto layers = even_layers();
  for (const std::size_t layer : {1U, 4U, 20U, 29U}) layers[layer] = 1.0;
  const Diagnosis diagnosis = Model(layers).diagnose();
  EXPECT_THAT(diagnosis.fragile, ElementsAre(1, 4, 20, 29));
  ASSERT_EQ(diagnosis.sets.size(), 4U);
  EXPECT_LT(diagnosis.sets[0].worth.mean, diagnosis.sets[0].cost);
  EXPECT_GT(diagnosis.sets[3].worth.low, diagnosis.sets[3].cost);
}

// The second one stands out too, but adds less than it costs.
TEST(Diagnosis, WhatAddsLessThanItCostsIsLeftOut) {
  auto layers = even_layers();
  layers[0] = 1.0;
  layers[1] = 0.01;
  const Diagnosis diagnosis = Model(layers).diagnose();
  EXPECT_THAT(diagnosis.standing_out, ElementsAre(0, 1));
  EXPECT_THAT(diagnosis.fragile, ElementsAre(0));
}

// It wins back much on average, but by a single item of twelve.
TEST(Diagnosis, WhatIsNotSureIsNotNamed) {
  auto layers = even_layers();
  layers[5] = 0.1;
  Model model(layers);
  for (ItemLosses* losses : {&model.losses.all, &model.losses.alone[5]}) {
    for (std::size_t i = 0; i < kItems; ++i) {
      (*losses)[i].kl = i == 0 ? 1.0 : 0.05;
    }
  }
  Diagnosis diagnosis = diagnose_layers(model.losses);
  ASSERT_THAT(diagnosis.standing_out, ElementsAre(5));
  ItemLosses exact = model.losses.all;
  exact[0].kl = 0.05;
  decide_fragile(model.losses, {&exact, 1}, diagnosis);
  EXPECT_GT(diagnosis.sets[0].worth.mean, diagnosis.sets[0].cost);
  EXPECT_THAT(diagnosis.fragile, IsEmpty());
}

TEST(Diagnosis, FewItemsNameNobody) {
  auto layers = even_layers();
  layers[3] = 1.0;
  const Diagnosis diagnosis = Model(layers, 2).diagnose();
  EXPECT_THAT(diagnosis.standing_out, ElementsAre(3));
  EXPECT_THAT(diagnosis.fragile, IsEmpty());
  EXPECT_THAT(diagnosis.reason, HasSubstr("2 items are too few"));
}

TEST(Diagnosis, NothingLostHasNoBottleneck) {
  const Diagnosis diagnosis = Model(std::vector<double>(kLayers, 0.0)).diagnose();
  EXPECT_THAT(diagnosis.fragile, IsEmpty());
  EXPECT_EQ(diagnosis.layers[0].share, 0.0);
  EXPECT_EQ(diagnosis.layers[0].won_back.mean, 0.0);
}

TEST(Diagnosis, NoItemsAtAll) {
  const Diagnosis diagnosis = Model({}, 0).diagnose();
  EXPECT_THAT(diagnosis.layers, IsEmpty());
  EXPECT_THAT(diagnosis.fragile, IsEmpty());
}

}  // namespace
}  // namespace sluice::runtime
