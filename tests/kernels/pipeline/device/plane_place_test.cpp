// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/device/plane_place.hpp"

#include <gtest/gtest.h>

#include "kernels/core/device.hpp"
#include "kernels/pipeline/buffers.hpp"
#include "tests/kernels/pipeline/device/device_round.hpp"

namespace sluice::kernels {
namespace {

using tests::KvFixture;
using tests::KvFixtureSpec;

StageList list_of(const PipelineSpec& spec) {
  auto list = StageList::from_spec(spec);
  EXPECT_TRUE(list) << list.error().message;
  return list ? std::move(*list) : StageList{};
}

TEST(CanRunOnDevice, NeedsEveryStage) {
  EXPECT_TRUE(can_run_on_device(list_of({"raw", "", {}})));
  EXPECT_TRUE(can_run_on_device(list_of({"a", "", {{"hadamard", {}}, {"rtn", {}}, {"rans", {}}}})));
  EXPECT_FALSE(can_run_on_device(list_of({"b", "", {{"rtn", {}}, {"arithmetic", {}}}})));
  EXPECT_FALSE(can_run_on_device(list_of({"c", "", {{"svd", {}}, {"rtn", {}}}})));
  // It looks at K.
  EXPECT_FALSE(can_run_on_device(list_of({"d", "", {{"knorm", {}}, {"rtn", {}}}})));
}

// What a row says is so, and where it says no, the host does the work: every stage there is.
class EveryStageOnDevice : public ::testing::TestWithParam<PipelineSpec> {};

TEST_P(EveryStageOnDevice, FramesAndRowsAreTheHosts) {
  Scratch scratch;
  scratch.buffers().queue = make_host_queue();
  const auto memory = make_host_queue();
  KvFixtureSpec spec;
  spec.layers = 5;
  spec.tokens = 70;
  spec.head_dim = 32;
  const bool runs_there = can_run_on_device(list_of(GetParam()));
  tests::expect_same_on_device(GetParam(), spec, *memory, scratch, runs_there);
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryStageOnDevice,
                         ::testing::ValuesIn(tests::stage_pipelines()),
                         [](const auto& spec) { return spec.param.name; });

TEST(PlacedPages, ABuildWithoutCudaSaysSo) {
  if (is_built_with_cuda()) GTEST_SKIP() << "a build with CUDA";
  KvFixtureSpec spec;
  const KvFixture cache(spec);
  const auto pages = cache.pages();
  const StageList stages = list_of({"raw", "", {}});
  Scratch scratch;
  const auto placed = PlacedPages::make(
      stages, {.pages = pages, .memory = MemoryKind::kCuda, .row_last = 1}, scratch.buffers());
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::kernels
