// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/profile_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <span>

#include "runtime/model/safetensors_writer.hpp"

namespace sluice::runtime {
namespace {

class ProfileFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) /
      ("profile_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
  const std::filesystem::path path_ = folder_ / "p.safetensors";
};

TEST_F(ProfileFile, WhatIsSavedIsLoaded) {
  kernels::Profile profile;
  profile.model_fingerprint = 0xfedcba9876543210U;
  const std::array<float, 6> basis{1, -2, 3, 4.5F, -0.0F, 6};
  const std::array<std::uint8_t, 3> bits{2, 4, 8};
  const std::array<std::int32_t, 2> counts{-7, 70000};
  profile.put("klt.basis.k.0", DType::kF32, {2, 3}, std::as_bytes(std::span(basis)));
  profile.put("klt.bits.v.1", DType::kU8, {3}, std::as_bytes(std::span(bits)));
  profile.put("rans.counts.k.0", DType::kI32, {1, 2}, std::as_bytes(std::span(counts)));
  save_profile(path_, profile).value();
  const auto loaded = load_profile(path_, profile.model_fingerprint);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->names(), profile.names());
  EXPECT_EQ(loaded->hash(), profile.hash());
  EXPECT_EQ(loaded->require("klt.basis.k.0", DType::kF32, 6).value().as<float>()[3], 4.5F);
}

TEST_F(ProfileFile, AnEmptyProfileIsOne) {
  kernels::Profile profile;
  profile.model_fingerprint = 5;
  save_profile(path_, profile).value();
  EXPECT_EQ(load_profile(path_, 5).value().hash(), profile.hash());
}

TEST_F(ProfileFile, WhatFitsHalvesTakesHalfTheBytes) {
  std::vector<float> fits(10'000, 0.333251953125F);
  std::vector<float> fits_not(10'000, 0.3333F);
  std::uintmax_t bytes[2];
  for (const bool half : {false, true}) {
    kernels::Profile profile;
    profile.model_fingerprint = 5;
    profile.put("klt.basis.k.0", DType::kF32, {100, 100},
                std::as_bytes(std::span(half ? fits : fits_not)));
    save_profile(path_, profile).value();
    bytes[half ? 1 : 0] = std::filesystem::file_size(path_);
    const auto loaded = load_profile(path_, 5);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    EXPECT_EQ(loaded->hash(), profile.hash());
  }
  EXPECT_EQ(bytes[0] - bytes[1], 20'000U);
}

TEST_F(ProfileFile, AnotherModelsIsRefused) {
  kernels::Profile profile;
  profile.model_fingerprint = 5;
  save_profile(path_, profile).value();
  const auto loaded = load_profile(path_, 6);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("of another model"));
}

TEST_F(ProfileFile, AFileWithoutAFingerprintIsNoProfile) {
  const std::array<float, 1> value{1};
  const NamedTensor tensor{"a", TensorView{.data = std::as_bytes(std::span(value)).data(),
                                           .dtype = DType::kF32,
                                           .rank = 1,
                                           .shape = {1}}};
  write_safetensors(path_, {&tensor, 1}).value();
  const auto loaded = load_profile(path_, 5);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("is not a profile"));
}

TEST_F(ProfileFile, NoFileIsNotFound) {
  EXPECT_EQ(load_profile(path_, 5).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::runtime
