// SPDX-License-Identifier: Apache-2.0
#include "comm/transport.hpp"

#include <gtest/gtest.h>

namespace sluice::comm {
namespace {

// What every transport has without doing anything for it.
class LanesOnly final : public Transport {
 public:
  std::vector<std::string> in_use;

  NodeId self() const override { return 0; }
  std::vector<std::byte> address() const override { return {}; }
  Status connect(NodeId, Bytes) override { return {}; }
  Result<Region> allocate(std::size_t, MemoryKind) override { return Region{}; }
  void release(const Region&) override {}
  Result<std::vector<std::byte>> export_region(const Region&) override {
    return std::vector<std::byte>();
  }
  Result<RemoteRegion> import_region(NodeId, Bytes) override { return RemoteRegion{}; }
  void forget_region(const RemoteRegion&) override {}
  Status write(const RemoteRegion&, std::size_t, Bytes, OperationId) override { return {}; }
  Status flush(NodeId, OperationId) override { return {}; }
  Status send(NodeId, std::uint16_t, Bytes, OperationId) override { return {}; }
  std::size_t poll(std::span<Completion>) override { return 0; }
  void wait(std::chrono::milliseconds) override {}
  void wake() override {}
  void close(NodeId) override {}
  std::vector<std::string> lanes(NodeId) const override { return in_use; }
};

TEST(Transport, DescribesItsLanesForPeople) {
  LanesOnly transport;
  EXPECT_EQ(transport.describe(1), "not connected");
  transport.in_use = {"tcp/eth0"};
  EXPECT_EQ(transport.describe(1), "tcp/eth0");
  transport.in_use.push_back("posix/memory");
  EXPECT_EQ(transport.describe(1), "tcp/eth0, posix/memory");
}

TEST(Transport, GoesByTheMonotonicClock) {
  const LanesOnly transport;
  const auto clock_us = [] {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  const std::int64_t before = clock_us();
  const std::int64_t now = transport.now_us();
  EXPECT_GE(now, before);
  EXPECT_LE(now, clock_us());
}

}  // namespace
}  // namespace sluice::comm
