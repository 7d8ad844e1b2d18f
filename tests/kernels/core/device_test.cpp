// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(CudaDevices, AreNoneInABuildWithoutCuda) {
  if (is_built_with_cuda()) {
    EXPECT_GE(cuda_device_count(), 0);
  } else {
    EXPECT_EQ(cuda_device_count(), 0);
  }
}

}  // namespace
}  // namespace sluice
