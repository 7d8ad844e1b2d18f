// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device_queue.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/core/device.hpp"

namespace sluice {
namespace {

void expect_copies_come_back(DeviceQueue& queue) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{3}, std::size_t{1} << 20}) {
    std::vector<std::uint32_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 7U);
    const auto there = upload(queue, std::span(numbers));
    ASSERT_TRUE(there) << there.error().message;
    ASSERT_NE(*there, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(*there) % 256, 0U);
    std::vector<std::uint32_t> back(count);
    ASSERT_TRUE(queue.copy_to_host(*there, count * sizeof(std::uint32_t), back.data()));
    ASSERT_TRUE(queue.wait());
    EXPECT_EQ(back, numbers);
  }
}

// No two pieces of room overlap, on the first frame and on the next, when the memory is one piece.
void expect_room_is_apart(DeviceQueue& queue) {
  for (int frame = 0; frame < 3; ++frame) {
    ASSERT_TRUE(queue.clear());
    std::vector<std::byte*> rooms;
    constexpr std::size_t kBytes = 700'001;
    for (int i = 0; i < 5; ++i) {
      rooms.push_back(queue.host_room(kBytes).value());
      std::memset(rooms.back(), i, kBytes);
    }
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(rooms[static_cast<std::size_t>(i)][0], static_cast<std::byte>(i));
      EXPECT_EQ(rooms[static_cast<std::size_t>(i)][kBytes - 1], static_cast<std::byte>(i));
    }
  }
}

TEST(HostQueue, StandsForADevice) {
  const auto queue = make_host_queue();
  EXPECT_FALSE(queue->is_cuda());
  expect_copies_come_back(*queue);
  expect_room_is_apart(*queue);
}

TEST(CudaQueue, CopiesThereAndBack) {
  if (cuda_device_count() == 0) GTEST_SKIP() << "no CUDA device";
  const auto queue = make_cuda_queue(nullptr).value();
  EXPECT_TRUE(queue->is_cuda());
  expect_copies_come_back(*queue);
  expect_room_is_apart(*queue);
}

TEST(CudaQueue, ABuildWithoutCudaSaysSo) {
  if (is_built_with_cuda()) GTEST_SKIP() << "a build with CUDA";
  const auto queue = make_cuda_queue(nullptr);
  ASSERT_FALSE(queue);
  EXPECT_EQ(queue.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice
