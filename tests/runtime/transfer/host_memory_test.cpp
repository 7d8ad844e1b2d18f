// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/host_memory.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace sluice::runtime {
namespace {

TEST(HostMemory, ReadsTheRightLine) {
  std::istringstream text("MemTotal:  100 kB\nMemFree: 7 kB\nMemAvailable:   42 kB\n");
  EXPECT_EQ(parse_memory_available(text), std::size_t{42} << 10);
}

TEST(HostMemory, WithoutTheLineThereIsNone) {
  std::istringstream text("MemTotal: 100 kB\nnonsense");
  EXPECT_EQ(parse_memory_available(text), 0U);
}

TEST(HostMemory, ThisHostHasSome) { EXPECT_GT(registrable_memory_bytes(), std::size_t{1} << 20); }

}  // namespace
}  // namespace sluice::runtime
