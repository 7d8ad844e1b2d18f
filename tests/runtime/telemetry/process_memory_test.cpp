// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/process_memory.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::runtime {
namespace {

TEST(ProcessMemory, ReadsTheFieldsOfAStatusFile) {
  const Result<ProcessMemory> memory = parse_process_memory(
      "Name:\tsluice\nVmPeak:\t  999 kB\nVmHWM:\t    300 kB\nVmRSS:\t    200 kB\n"
      "RssAnon:\t     90 kB\nRssFile:\t    100 kB\nRssShmem:\t     10 kB\nThreads:\t3\n");
  ASSERT_TRUE(memory.has_value()) << memory.error().message;
  EXPECT_EQ(memory->peak_bytes, 300U * 1024);
  EXPECT_EQ(memory->resident_bytes, 200U * 1024);
  EXPECT_EQ(memory->anonymous_bytes, 90U * 1024);
  EXPECT_EQ(memory->file_bytes, 100U * 1024);
  EXPECT_EQ(memory->shared_bytes, 10U * 1024);
}

TEST(ProcessMemory, NamesWhatIsMissing) {
  for (const char* status : {"", "VmHWM:\n", "VmHWM:\t12\n", "VmHWM:\tx kB\n", "VmHWM\n",
                             "VmHWM:\t99999999999999999999 kB\n", "XVmHWM:\t1 kB"}) {
    const Result<ProcessMemory> memory = parse_process_memory(status);
    ASSERT_FALSE(memory.has_value()) << status;
    EXPECT_EQ(memory.error().message, "the process status has no readable field VmHWM");
  }
}

TEST(ProcessMemory, OfThisProcess) {
  const Result<ProcessMemory> before = read_process_memory();
  ASSERT_TRUE(before.has_value()) << before.error().message;
  EXPECT_GT(before->resident_bytes, 0U);
  EXPECT_GE(before->peak_bytes, before->resident_bytes / 2);
  const std::size_t more = std::size_t{32} << 20;
  const std::vector<char> touched(more, 1);
  const Result<ProcessMemory> after = read_process_memory();
  ASSERT_TRUE(after.has_value());
  EXPECT_GE(after->anonymous_bytes, before->anonymous_bytes + more / 2);
  EXPECT_EQ(touched.back(), 1);
}

}  // namespace
}  // namespace sluice::runtime
