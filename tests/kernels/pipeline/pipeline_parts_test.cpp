// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/pipeline_parts.hpp"

#include <gtest/gtest.h>

#include "tests/support/kv_fixture.hpp"

namespace sluice::kernels {
namespace {

const tests::KvFixture& cache() {
  static const tests::KvFixture fixture(tests::KvFixtureSpec{.tokens = 20});
  return fixture;
}

std::unique_ptr<PipelineParts> parts_of(std::vector<StageSpec> stages,
                                        std::shared_ptr<const Profile> profile = nullptr) {
  auto parts = PipelineParts::make({"p", "", std::move(stages)}, cache().shape(), profile);
  EXPECT_TRUE(parts) << parts.error().message;
  return std::move(*parts);
}

// A frame names a profile only if its decoder needs one, and angles only if something turns.
TEST(PipelineParts, AFrameNamesWhatItsDecoderNeeds) {
  Profile content;
  content.model_fingerprint = cache().shape().model_fingerprint;
  const auto profile = std::make_shared<const Profile>(content);
  const auto plain = parts_of({{"rtn", {}}}, profile);
  EXPECT_EQ(plain->profile_hash, 0U);
  EXPECT_EQ(plain->coded_profile, nullptr);
  EXPECT_TRUE(plain->coded_shape.rope.radians_per_position.empty());
  const auto learning = parts_of({{"klt", {}}, {"rtn", {}}}, profile);
  EXPECT_EQ(learning->profile_hash, profile->hash());
  EXPECT_FALSE(learning->coded_shape.rope.radians_per_position.empty());
  EXPECT_FALSE(learning->check_profile());
  learning->set_profile(nullptr);
  EXPECT_EQ(learning->profile_hash, 0U);
}

TEST(PipelineParts, ExactSegmentsAreThoseOfLevelExactAndOfPipelinesThatKeepEverything) {
  Segment graded;
  Segment exact;
  exact.level = kLevelExact;
  const auto lossy = parts_of({{"rtn", {}}});
  EXPECT_FALSE(lossy->is_exact(graded));
  EXPECT_TRUE(lossy->is_exact(exact));
  EXPECT_TRUE(parts_of({})->is_exact(graded));
}

TEST(PipelineParts, RawBytesAreOfKAndV) {
  Segment segment;
  segment.head_count = 2;
  segment.positions = {0, 5, 7};
  EXPECT_EQ(parts_of({})->raw_bytes({&segment, 1}, 2), 3U * 2 * 2 * 64 * 2 * 2);
}

}  // namespace
}  // namespace sluice::kernels
