// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::comm::ucx {
namespace {

TEST(UcxReport, DescribesTheOneCopyInThisProcess) {
  const auto report = make_ucx_report();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->loaded_version, testing::StartsWith(report->compiled_version));
  EXPECT_FALSE(report->is_mismatched);
  EXPECT_THAT(report->library_path, testing::HasSubstr("libucp"));
  EXPECT_THAT(report->copies, testing::SizeIs(1));
}

TEST(UcxReport, FlagsFollowTheResources) {
  const auto report = make_ucx_report();
  ASSERT_TRUE(report) << report.error().message;
  const auto has = [&](const char* prefix) {
    return testing::Value(report->resources, testing::Contains(testing::StartsWith(prefix)));
  };
  EXPECT_TRUE(has("self/"));
  EXPECT_EQ(report->has_tcp, has("tcp/"));
  EXPECT_EQ(report->has_shared_memory, has("posix/") || has("sysv/") || has("xpmem/"));
  EXPECT_EQ(report->has_cma, has("cma/"));
  EXPECT_EQ(report->has_rdma, has("rc_") || has("dc_") || has("ud_"));
  EXPECT_EQ(report->has_cuda, has("cuda_"));
}

}  // namespace
}  // namespace sluice::comm::ucx
