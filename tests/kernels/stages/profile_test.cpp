// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace sluice::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Bytes bytes_of(const std::array<float, 2>& values) { return std::as_bytes(std::span(values)); }

TEST(Profile, GivesBackWhatWasPut) {
  Profile profile;
  const std::array<float, 2> basis{1.5F, -2.0F};
  profile.put(profile_name("klt.basis", true, 7), DType::kF32, {1, 2}, bytes_of(basis));
  const auto found = profile.find("klt.basis.k.7");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->rank, 2);
  EXPECT_EQ(found->elements(), 2);
  EXPECT_EQ(found->as<float>()[1], -2.0F);
  EXPECT_FALSE(profile.find("klt.basis.v.7").has_value());
  EXPECT_THAT(profile.names(), ElementsAre("klt.basis.k.7"));
  profile.erase("another");
  profile.erase("klt.basis.k.7");
  EXPECT_TRUE(profile.names().empty());
}

TEST(Profile, SaysWhatIsMissingOrOfAnotherShape) {
  Profile profile;
  profile.put("a", DType::kF32, {2}, bytes_of({1, 2}));
  EXPECT_TRUE(profile.require("a", DType::kF32, 2));
  EXPECT_EQ(profile.require("a", DType::kF32, 3).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(profile.require("a", DType::kI32, 2).error().code, ErrorCode::kCorrupt);
  const auto missing = profile.require("b", DType::kF32, -1);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("'b'"));
}

TEST(Profile, HashChangesWithEveryPart) {
  Profile profile;
  profile.put("a", DType::kF32, {2}, bytes_of({1, 2}));
  const auto hash = profile.hash();
  Profile same;
  same.put("a", DType::kF32, {2}, bytes_of({1, 2}));
  EXPECT_EQ(same.hash(), hash);
  Profile other_name;
  other_name.put("b", DType::kF32, {2}, bytes_of({1, 2}));
  EXPECT_NE(other_name.hash(), hash);
  Profile other_shape;
  other_shape.put("a", DType::kF32, {1, 2}, bytes_of({1, 2}));
  EXPECT_NE(other_shape.hash(), hash);
  same.put("a", DType::kF32, {2}, bytes_of({1, 3}));
  EXPECT_NE(same.hash(), hash);
  same.put("a", DType::kF32, {2}, bytes_of({1, 2}));
  same.model_fingerprint = 1;
  EXPECT_NE(same.hash(), hash);
}

}  // namespace
}  // namespace sluice::kernels
