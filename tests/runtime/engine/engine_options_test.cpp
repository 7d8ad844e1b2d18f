// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/engine_options.hpp"

#include <gtest/gtest.h>

#include "kernels/core/device.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

TEST(EngineOptions, WordsBecomeOptions) {
  const auto options = engine_options("cpu", "bf16", 3);
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->device, Device::kCpu);
  EXPECT_EQ(options->compute, ComputeType::kBF16);
  EXPECT_EQ(options->threads, 3);
  EXPECT_EQ(engine_options("cpu", "f32", 0)->compute, ComputeType::kF32);
  EXPECT_EQ(engine_options("cpu", "auto", 0)->compute, ComputeType::kAuto);
}

TEST(EngineOptions, AutoTakesADeviceOnlyWhereThereIsOne) {
  const Device expected = cuda_device_count() > 0 ? Device::kCuda : Device::kCpu;
  EXPECT_EQ(engine_options("auto", "auto", 0)->device, expected);
  EXPECT_EQ(engine_options("cuda", "auto", 0).has_value(), cuda_device_count() > 0);
}

TEST(EngineOptions, OtherWordsAreRefused) {
  EXPECT_FALSE(engine_options("tpu", "auto", 0).has_value());
  EXPECT_FALSE(engine_options("cpu", "f16", 0).has_value());
}

TEST(EngineOptions, SizesOfTheCache) {
  const KvShape shape = kv_shape_of(tiny_spec());
  EXPECT_EQ(shape.bytes_per_token(), 2U * 2 * 2 * 8 * 2);  // layers, K and V, heads, width, BF16
  EXPECT_EQ(kv_blocks_in(shape, 32 * 128), 1);
  EXPECT_EQ(kv_blocks_in(shape, 64 * 128 - 1), 1);
}

TEST(EngineOptions, TheContextIsTheSmallerOne) {
  const ModelSpec spec = tiny_spec();  // 512
  EXPECT_EQ(context_tokens_of(spec, 0), 512);
  EXPECT_EQ(context_tokens_of(spec, 100), 100);
  EXPECT_EQ(context_tokens_of(spec, 9999), 512);
}

}  // namespace
}  // namespace sluice::runtime
