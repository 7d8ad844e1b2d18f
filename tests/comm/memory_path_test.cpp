// SPDX-License-Identifier: Apache-2.0
#include "comm/memory_path.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sluice::comm {
namespace {

MemoryFacts facts_of(unsigned bits) {
  const auto has = [&](unsigned bit) { return (bits >> bit & 1) != 0; };
  return {.is_built_with_cuda = has(0),
          .cuda_devices = has(1) ? 8 : 0,
          .has_cuda_transports = has(2),
          .is_type_seen = has(3),
          .has_cuda_ipc = has(4),
          .is_one_host = has(5),
          .has_rdma = has(6),
          .has_peermem = has(7),
          .has_dmabuf = has(8),
          .has_gdr_copy = has(9)};
}

// All 1,024 machines, against what each path needs, said once more.
TEST(MemoryPath, IsSafeAndAsGoodAsTheMachineAllows) {
  std::set<std::string> reasons;
  for (unsigned bits = 0; bits < 1024; ++bits) {
    const MemoryFacts facts = facts_of(bits);
    const MemoryDecision decision = decide_memory_path(facts);
    const bool has_device = facts.is_built_with_cuda && facts.cuda_devices != 0;
    const bool ucx_can = facts.has_cuda_transports && facts.is_type_seen;
    const bool by_ipc = facts.is_one_host && facts.has_cuda_ipc;
    const bool by_nic = facts.has_rdma && (facts.has_peermem || facts.has_dmabuf);
    const MemoryPath best = !has_device                     ? MemoryPath::kHostOnly
                            : ucx_can && (by_ipc || by_nic) ? MemoryPath::kDirect
                                                            : MemoryPath::kPinnedBounce;
    EXPECT_EQ(decision.path, best) << bits;
    ASSERT_FALSE(decision.why.empty()) << bits;
    EXPECT_EQ(decision.why.find('\n'), std::string::npos);
    reasons.insert(decision.why);
  }
  EXPECT_EQ(reasons.size(), 11U);
}

TEST(MemoryPath, SaysWhatIsMissing) {
  const auto why = [](const MemoryFacts& facts) { return decide_memory_path(facts).why; };
  MemoryFacts facts = facts_of(0b1111);
  EXPECT_NE(why(facts).find("TCP"), std::string::npos);
  facts.has_rdma = true;
  EXPECT_NE(why(facts).find("nvidia_peermem"), std::string::npos);
  facts.has_peermem = true;
  EXPECT_NE(why(facts).find("without gdr_copy"), std::string::npos);
  facts.has_gdr_copy = true;
  EXPECT_EQ(why(facts), "GPUDirect RDMA by nvidia_peermem");
  facts.has_cuda_transports = false;
  EXPECT_NE(why(facts).find("built without CUDA"), std::string::npos);
}

}  // namespace
}  // namespace sluice::comm
