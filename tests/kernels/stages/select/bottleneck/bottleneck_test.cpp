// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/bottleneck/bottleneck.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

std::string levels_of(std::int64_t layer, const ParameterMap& values, const Profile* profile) {
  SelectCase one(3);
  one.layer = layer;
  one.profile = profile;
  one.state.levels.level[1] = kLevelDropped;
  const Status status = one.run(bottleneck_row(), values);
  return status ? one.levels() : status.error().message;
}

TEST(Bottleneck, ItsLayersAreExact) {
  const ParameterMap values{{"layers", std::vector<double>{0, 3}}};
  EXPECT_EQ(levels_of(0, values, nullptr), "E 0 E");
  EXPECT_EQ(levels_of(1, values, nullptr), "1 0 1");
  EXPECT_EQ(levels_of(3, values, nullptr), "E 0 E");
}

TEST(Bottleneck, TheProfileNamesThemOtherwise) {
  Profile profile;
  EXPECT_THAT(levels_of(2, {}, &profile), HasSubstr("fragile_layers"));
  EXPECT_THAT(levels_of(2, {}, nullptr), HasSubstr("no profile"));
  const std::int32_t fragile[] = {2};
  profile.put("fragile_layers", DType::kI32, {1}, std::as_bytes(std::span(fragile)));
  EXPECT_EQ(levels_of(2, {}, &profile), "E 0 E");
  EXPECT_EQ(levels_of(1, {}, &profile), "1 0 1");
  profile.put("fragile_layers", DType::kI32, {0}, {});  // measured, and none is
  EXPECT_EQ(levels_of(2, {}, &profile), "1 0 1");
}

TEST(Bottleneck, LayersForModelsThatNobodyDiagnosed) {
  const ParameterMap values{{"otherwise", std::vector<double>{0}}};
  Profile profile;
  EXPECT_EQ(levels_of(0, values, nullptr), "E 0 E");
  EXPECT_EQ(levels_of(1, values, nullptr), "1 0 1");
  EXPECT_EQ(levels_of(0, values, &profile), "E 0 E");
  const std::int32_t fragile[] = {2};
  profile.put("fragile_layers", DType::kI32, {1}, std::as_bytes(std::span(fragile)));
  EXPECT_EQ(levels_of(0, values, &profile), "1 0 1");
  EXPECT_EQ(levels_of(2, values, &profile), "E 0 E");
  profile.put("fragile_layers", DType::kI32, {0}, {});  // measured, and none is
  EXPECT_EQ(levels_of(0, values, &profile), "1 0 1");
}

// What a pipeline names itself is as it says.
TEST(Bottleneck, NamedLayersAreAboveTheProfile) {
  const ParameterMap values{{"layers", std::vector<double>{1}},
                            {"otherwise", std::vector<double>{0}}};
  Profile profile;
  const std::int32_t fragile[] = {2};
  profile.put("fragile_layers", DType::kI32, {1}, std::as_bytes(std::span(fragile)));
  EXPECT_EQ(levels_of(1, values, &profile), "E 0 E");
  EXPECT_EQ(levels_of(2, values, &profile), "1 0 1");
  EXPECT_EQ(levels_of(0, values, nullptr), "1 0 1");
}

}  // namespace
}  // namespace sluice::kernels
