// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/core/device.hpp"

namespace sluice {
namespace {

void expect_memory_works(DeviceMemory& memory) {
  constexpr std::size_t kBytes = 700'001;
  EXPECT_EQ(memory.allocate(0).error().code, ErrorCode::kInvalidArgument);
  const auto device = memory.allocate(kBytes);
  ASSERT_TRUE(device) << device.error().message;
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(*device) % 256, 0U);
  std::vector<std::byte> host(kBytes, std::byte{1});
  ASSERT_TRUE(memory.pin(host.data(), kBytes));
  ASSERT_TRUE(memory.copy_to_host(*device, kBytes, host.data()));
  EXPECT_TRUE(std::all_of(host.begin(), host.end(), [](std::byte b) { return b == std::byte{0}; }));

  std::vector<std::byte> written(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) written[i] = static_cast<std::byte>(i * 7);
  ASSERT_TRUE(memory.copy_to_device(written.data(), kBytes, *device));
  ASSERT_TRUE(memory.order_remote_writes());
  ASSERT_TRUE(memory.copy_to_host(*device + 5, kBytes - 5, host.data() + 5));
  EXPECT_TRUE(std::equal(host.begin() + 5, host.end(), written.begin() + 5));
  EXPECT_EQ(host[0], std::byte{0});
  memory.unpin(host.data());
  memory.release(*device);
}

TEST(DeviceMemory, TheHostStandsForADevice) {
  const auto memory = make_host_device_memory();
  EXPECT_FALSE(memory->is_cuda());
  expect_memory_works(*memory);
}

TEST(DeviceMemory, CudaIsThereOrSaysThatItIsNot) {
  const auto memory = make_cuda_device_memory();
  if (cuda_device_count() == 0) {
    ASSERT_FALSE(memory);
    EXPECT_EQ(memory.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(memory.error().message.find("CUDA"), std::string::npos);
    return;
  }
  ASSERT_TRUE(memory) << memory.error().message;
  EXPECT_TRUE((*memory)->is_cuda());
  expect_memory_works(**memory);
}

}  // namespace
}  // namespace sluice
