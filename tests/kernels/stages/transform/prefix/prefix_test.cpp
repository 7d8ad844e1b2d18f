// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/prefix/prefix.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/transformed_plane.hpp"

namespace sluice::kernels {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using testing_support::forward;
using testing_support::inverse;
using testing_support::make_transform;
using testing_support::TransformCase;

// Prompts that begin with the same `common` rows.
class Prefix : public ::testing::Test {
 protected:
  static constexpr std::int64_t kCommon = 5;

  std::vector<float> prompt(const TransformCase& on, unsigned seed) const {
    std::vector<float> values = on.normal_values(seed);
    const TransformCase same(kCommon);
    const std::vector<float> start = same.normal_values(1000);
    for (std::size_t i = 0; i < std::min(start.size(), values.size()); ++i) {
      // As the order of sums may leave it.
      values[i] = start[i] * (1.0F + 1e-4F * static_cast<float>(seed % 3));
    }
    return values;
  }

  std::unique_ptr<Stage> calibrated(std::int64_t rows_least) {
    auto stage = make_transform(prefix_row(), {{"tokens", 8.0}});
    const auto learner = stage->calibration();
    for (const unsigned seed : {1U, 2U, 3U}) {
      for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
        TransformCase on(rows_least + seed);
        on.plane.tables = "p";
        on.plane.half = half;
        const std::vector<float> values = prompt(on, seed);
        EXPECT_TRUE(learner->observe(on.plane, on.view(values)));
      }
    }
    EXPECT_TRUE(learner->finish(profile_));
    return stage;
  }
  void use(TransformCase& on) const {
    on.plane.profile = &profile_;
    on.plane.tables = "p";
  }

  Profile profile_;
};

TEST_F(Prefix, OfAllPromptsCostsNothing) {
  const auto stage = calibrated(12);
  EXPECT_EQ(profile_.find("prefix.p.rows.k.0")->shape[0], kCommon);
  TransformCase on(20);
  use(on);
  const std::vector<float> values = prompt(on, 7);
  const auto transformed = forward(*stage, on, values);
  const auto columns = static_cast<std::size_t>(on.plane.columns());
  EXPECT_THAT(std::vector<float>(
                  transformed.values.begin(),
                  transformed.values.begin() + static_cast<std::ptrdiff_t>(kCommon * columns)),
              Each(0.0F));
  EXPECT_TRUE(
      std::equal(values.begin() + static_cast<std::ptrdiff_t>(kCommon * columns), values.end(),
                 transformed.values.begin() + static_cast<std::ptrdiff_t>(kCommon * columns)));
  const auto back = inverse(*stage, on, transformed);
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(back[i], values[i], 1e-3F + 1e-3F * std::abs(values[i]));
  }
}

TEST_F(Prefix, OfAnotherTemplateIsNotUsed) {
  const auto stage = calibrated(12);
  TransformCase on(20);
  use(on);
  const std::vector<float> values = on.normal_values(99);
  const auto transformed = forward(*stage, on, values);
  EXPECT_EQ(transformed.side[0], std::byte{0});
  EXPECT_EQ(transformed.values, values);
  EXPECT_EQ(inverse(*stage, on, transformed), values);
}

TEST_F(Prefix, GoesByPositionsNotRows) {
  const auto stage = calibrated(12);
  TransformCase on(3);
  on.positions = {2, 6, 9};
  on.refresh();
  use(on);
  std::vector<float> values = on.normal_values(5);
  const TransformCase same(kCommon);
  const std::vector<float> start = same.normal_values(1000);
  const auto columns = static_cast<std::size_t>(on.plane.columns());
  std::copy_n(start.begin() + static_cast<std::ptrdiff_t>(2 * columns), columns, values.begin());
  const auto transformed = forward(*stage, on, values);
  EXPECT_EQ(transformed.values[0], 0.0F);
  EXPECT_EQ(transformed.values[columns], values[columns]);
}

TEST_F(Prefix, MayBeEmptyOrLongerThanThePrompt) {
  const auto stage = calibrated(12);
  for (const std::int64_t rows : {0, 1, 2}) {
    TransformCase on(rows);
    use(on);
    const std::vector<float> values = prompt(on, 7);
    const auto back = inverse(*stage, on, forward(*stage, on, values));
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(back[i], values[i], 1e-3F + 1e-3F * std::abs(values[i]));
    }
  }
  Profile none;
  const auto learner = stage->calibration();
  TransformCase on(4);
  on.plane.tables = "q";
  EXPECT_TRUE(learner->observe(on.plane, on.view(on.normal_values(1))));
  EXPECT_TRUE(learner->observe(on.plane, on.view(on.normal_values(2))));
  ASSERT_TRUE(learner->finish(none));
  EXPECT_EQ(none.find("prefix.q.rows.k.0")->shape[0], 0);
}

TEST_F(Prefix, NeedsItsProfile) {
  const auto stage = make_transform(prefix_row(), {});
  const TransformCase on(4);
  ByteWriter side;
  const auto plan = dynamic_cast<const TransformStage&>(*stage).begin_encode(
      on.plane, on.plane.columns(), on.view(on.normal_values(1)), side);
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("sluice codec calibrate"));
}

}  // namespace
}  // namespace sluice::kernels
