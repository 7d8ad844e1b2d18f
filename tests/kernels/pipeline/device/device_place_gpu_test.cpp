// SPDX-License-Identifier: Apache-2.0
// Pages in the memory of a GPU, coded there: needs one.
#include <gtest/gtest.h>

#include "kernels/core/device.hpp"
#include "kernels/pipeline/device/plane_place.hpp"
#include "tests/kernels/pipeline/device/device_round.hpp"

namespace sluice::kernels {
namespace {

using tests::KvFixtureSpec;

class OnGpu : public ::testing::TestWithParam<PipelineSpec> {
 protected:
  void SetUp() override {
    if (cuda_device_count() == 0) GTEST_SKIP() << "no CUDA device";
  }
};

TEST_P(OnGpu, FramesAndRowsAreTheHosts) {
  const auto memory = make_cuda_queue(nullptr).value();
  Scratch scratch;
  const auto stages = StageList::from_spec(GetParam()).value();
  for (const std::int64_t tokens : {0, 1, 33, 700}) {
    SCOPED_TRACE(tokens);
    KvFixtureSpec spec;
    spec.tokens = tokens;
    spec.layers = 5;
    spec.head_dim = tokens == 33 ? 24 : 64;
    spec.dtype = tokens == 1 ? DType::kF32 : DType::kBF16;
    tests::expect_same_on_device(GetParam(), spec, *memory, scratch, can_run_on_device(stages));
  }
}

INSTANTIATE_TEST_SUITE_P(Pipelines, OnGpu, ::testing::ValuesIn(tests::device_pipelines()),
                         [](const auto& spec) { return spec.param.name; });
INSTANTIATE_TEST_SUITE_P(Registry, OnGpu, ::testing::ValuesIn(tests::stage_pipelines()),
                         [](const auto& spec) { return spec.param.name; });

}  // namespace
}  // namespace sluice::kernels
