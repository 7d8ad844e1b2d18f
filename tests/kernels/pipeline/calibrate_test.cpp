// SPDX-License-Identifier: Apache-2.0
// calibrate() of pipeline.hpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/pipeline/codec_round.hpp"

namespace sluice::kernels {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using tests::KvFixture;
using tests::KvFixtureSpec;

const PipelineSpec kLearning{
    "learning", "", {{"klt", {}}, {"rtn", {{"bits", 4.0}}}, {"rans", {{"tables", "static"}}}}};

std::vector<CalibrationCache> caches_of(const KvFixture& cache) {
  return {{cache.pages(), cache.spec().tokens, {}}};
}

TEST(Calibrate, GivesEveryStageWhatItNeedsAfterTheStagesBeforeIt) {
  const KvFixture cache(KvFixtureSpec{.head_dim = 16, .tokens = 60});
  ASSERT_FALSE(Pipeline::create(kLearning, cache.shape(), nullptr));
  Profile profile;
  const Status done = calibrate(kLearning, cache.shape(), caches_of(cache), profile);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(profile.model_fingerprint, cache.shape().model_fingerprint);
  const auto names = profile.names();
  EXPECT_THAT(names, ::testing::Contains(HasSubstr("klt")));
  EXPECT_THAT(names, ::testing::Contains(HasSubstr("rans.learning")));
  const auto shared = std::make_shared<const Profile>(profile);
  const auto pipeline = tests::must_create(kLearning, cache.shape(), shared);
  ASSERT_NE(pipeline, nullptr);
  KvFixture target = tests::empty_cache(cache.spec());
  const auto frame = tests::encode_layers(*pipeline, cache, 1);
  ASSERT_TRUE(frame) << frame.error().message;
  ASSERT_TRUE(tests::decode_layers(FrameDecoder(cache.shape(), shared), *frame, target));
  EXPECT_LT(tests::relative_rms(cache.rows(1, KvHalf::kKey), target.rows(1, KvHalf::kKey)), 0.2);
}

TEST(Calibrate, KeepsWhatIsThere) {
  const KvFixture cache(KvFixtureSpec{.head_dim = 16, .tokens = 60});
  Profile profile;
  ASSERT_TRUE(calibrate(kLearning, cache.shape(), caches_of(cache), profile));
  const std::uint64_t hash = profile.hash();
  const KvFixture other(KvFixtureSpec{.head_dim = 16, .tokens = 60, .text = 5});
  ASSERT_TRUE(calibrate(kLearning, cache.shape(), caches_of(other), profile));
  EXPECT_EQ(profile.hash(), hash);
}

TEST(Calibrate, CachesThatLackLayersAreRefused) {
  const KvFixture cache(KvFixtureSpec{.head_dim = 16, .tokens = 20});
  auto caches = caches_of(cache);
  caches[0].pages.pop_back();
  Profile profile;
  const Status done = calibrate(kLearning, cache.shape(), caches, profile);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("lacks layers"));
}

TEST(Calibrate, NothingToLearnIsNoError) {
  const KvFixture cache(KvFixtureSpec{.head_dim = 16, .tokens = 20});
  Profile profile;
  ASSERT_TRUE(calibrate({"raw", "", {}}, cache.shape(), caches_of(cache), profile));
  EXPECT_TRUE(profile.names().empty());
}

}  // namespace
}  // namespace sluice::kernels
