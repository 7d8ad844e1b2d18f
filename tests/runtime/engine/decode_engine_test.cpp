// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "kernels/core/device.hpp"
#include "runtime/engine/engine.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

TEST(DecodeEngine, TheCpuHasOne) {
  const TinyModel model(tiny_spec());
  const auto engine = DecodeEngine::create(model, {.device = Device::kCpu, .threads = 1});
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  EXPECT_EQ((*engine)->spec().vocab, tiny_spec().vocab);
}

TEST(DecodeEngine, WithoutADeviceCudaIsAClearRefusal) {
  if (cuda_device_count() > 0) GTEST_SKIP() << "this machine has a CUDA device";
  const TinyModel model(tiny_spec());
  const auto engine = DecodeEngine::create(model, {.device = Device::kCuda});
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::runtime
