// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv/host_memory.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace sluice::runtime {
namespace {

TEST(HostMemory, ReadsTheRightLine) {
  std::istringstream text("MemTotal:  100 kB\nMemFree: 7 kB\nMemAvailable:   42 kB\n");
  EXPECT_EQ(parse_memory_available(text), std::size_t{42} << 10);
}

TEST(HostMemory, WithoutTheLineNothingIsKnown) {
  std::istringstream text("MemTotal: 100 kB\nnonsense");
  EXPECT_EQ(parse_memory_available(text), std::nullopt);
}

TEST(HostMemory, AContainersLimit) {
  std::istringstream limit("1048576\n");
  EXPECT_EQ(parse_memory_limit(limit), std::size_t{1048576});
  std::istringstream none("max\n");
  EXPECT_EQ(parse_memory_limit(none), std::nullopt);
}

TEST(HostMemory, ThisHostHasSome) {
  EXPECT_GT(registrable_memory_bytes(), std::size_t{1} << 20);
  EXPECT_LE(registrable_memory_bytes(), available_memory_bytes());
}

}  // namespace
}  // namespace sluice::runtime
