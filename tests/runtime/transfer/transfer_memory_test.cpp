// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/transfer_memory.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace sluice::runtime {
namespace {

using comm::MemoryPath;

// Allocates memory of every kind from the heap, and nothing else.
class FakeTransport final : public comm::Transport {
 public:
  std::map<std::uint32_t, std::vector<std::byte>> regions;

  comm::NodeId self() const override { return 0; }
  std::vector<std::byte> address() const override { return {}; }
  Status connect(comm::NodeId, Bytes) override { return none(); }
  Result<comm::Region> allocate(std::size_t bytes, MemoryKind kind) override {
    if (bytes > 1 << 20) return make_error(ErrorCode::kResourceExhausted, "no room");
    const auto id = static_cast<std::uint32_t>(regions.size() + 1);
    auto& data = regions[id];
    data.resize(bytes);
    return comm::Region{data.data(), bytes, id, kind};
  }
  void release(const comm::Region& region) override { regions.erase(region.id); }
  Result<std::vector<std::byte>> export_region(const comm::Region&) override {
    return none().error();
  }
  Result<comm::RemoteRegion> import_region(comm::NodeId, Bytes) override { return none().error(); }
  void forget_region(const comm::RemoteRegion&) override {}
  Status write(const comm::RemoteRegion&, std::size_t, Bytes, comm::OperationId) override {
    return none();
  }
  Status flush(comm::NodeId, comm::OperationId) override { return none(); }
  Status send(comm::NodeId, std::uint16_t, Bytes, comm::OperationId) override { return none(); }
  std::size_t poll(std::span<comm::Completion>) override { return 0; }
  void wait(std::chrono::milliseconds) override {}
  void wake() override {}
  void close(comm::NodeId) override {}
  std::vector<std::string> lanes(comm::NodeId) const override { return {}; }

 private:
  static Status none() { return make_error(ErrorCode::kUnsupported, "memory only"); }
};

// The host stands for a device; counts, and fails when told to.
class FakeDevice final : public DeviceMemory {
 public:
  int allocations = 0;
  int pins = 0;
  int copies = 0;
  int orders = 0;
  bool is_full = false;
  bool is_broken = false;

  bool is_cuda() const override { return true; }
  Result<std::byte*> allocate(std::size_t bytes) override {
    if (is_full) return make_error(ErrorCode::kResourceExhausted, "the device is full");
    ++allocations;
    return host_->allocate(bytes);
  }
  void release(std::byte* data) override {
    --allocations;
    host_->release(data);
  }
  Status pin(std::byte*, std::size_t) override {
    ++pins;
    return {};
  }
  void unpin(std::byte*) override { --pins; }
  Status copy_to_device(const std::byte* host, std::size_t bytes, std::byte* device) override {
    if (is_broken) return make_error(ErrorCode::kInternal, "the device fell off the bus");
    ++copies;
    return host_->copy_to_device(host, bytes, device);
  }
  Status copy_to_host(const std::byte* device, std::size_t bytes, std::byte* host) override {
    if (is_broken) return make_error(ErrorCode::kInternal, "the device fell off the bus");
    ++copies;
    return host_->copy_to_host(device, bytes, host);
  }
  Status order_remote_writes() override {
    ++orders;
    return {};
  }

 private:
  std::unique_ptr<DeviceMemory> host_ = make_host_device_memory();
};

class TransferMemoryTest : public testing::Test {
 protected:
  std::unique_ptr<TransferMemory> allocate(MemoryPath path, DeviceMemory* with) {
    auto memory = TransferMemory::allocate(transport, with, path, 1000);
    EXPECT_TRUE(memory) << (memory ? "" : memory.error().message);
    return memory ? *std::move(memory) : nullptr;
  }

  FakeTransport transport;
  FakeDevice device;
};

TEST_F(TransferMemoryTest, HostMemoryIsBothAndNeedsNoDevice) {
  const auto memory = allocate(MemoryPath::kHostOnly, nullptr);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(memory->work(), memory->wire().data);
  EXPECT_EQ(memory->work_kind(), MemoryKind::kHost);
  EXPECT_EQ(memory->wire().kind, MemoryKind::kHost);
  EXPECT_TRUE(memory->before_write(0, 1000));
  EXPECT_TRUE(memory->after_landing(1000, 0));
}

TEST_F(TransferMemoryTest, DirectMemoryIsTheDevicesAndOnlyOrdered) {
  const auto memory = allocate(MemoryPath::kDirect, &device);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(memory->work(), memory->wire().data);
  EXPECT_EQ(memory->work_kind(), MemoryKind::kCuda);
  EXPECT_EQ(memory->wire().kind, MemoryKind::kCuda);
  EXPECT_TRUE(memory->before_write(0, 500));
  EXPECT_EQ(device.orders, 0);
  EXPECT_TRUE(memory->after_landing(0, 500));
  EXPECT_EQ(device.orders, 1);
  EXPECT_EQ(device.copies, 0);
  EXPECT_EQ(device.pins, 0);
}

TEST_F(TransferMemoryTest, ABounceCopiesWhatPassesAndNothingElse) {
  {
    const auto memory = allocate(MemoryPath::kPinnedBounce, &device);
    ASSERT_NE(memory, nullptr);
    EXPECT_TRUE(memory->is_bounced());
    EXPECT_EQ(memory->work_kind(), MemoryKind::kCuda);
    EXPECT_EQ(memory->wire().kind, MemoryKind::kHost);
    EXPECT_EQ(device.pins, 1);
    std::memset(memory->work(), 1, 1000);
    std::memset(memory->wire().data, 2, 1000);

    ASSERT_TRUE(memory->before_write(100, 50));
    for (std::size_t i = 0; i < 1000; ++i) {
      ASSERT_EQ(memory->wire().data[i], i >= 100 && i < 150 ? std::byte{1} : std::byte{2}) << i;
    }
    ASSERT_TRUE(memory->after_landing(900, 100));
    for (std::size_t i = 0; i < 1000; ++i) {
      ASSERT_EQ(memory->work()[i], i >= 900 ? std::byte{2} : std::byte{1}) << i;
    }
    EXPECT_EQ(device.orders, 0);
    device.is_broken = true;
    EXPECT_EQ(memory->before_write(0, 1).error().code, ErrorCode::kInternal);
    EXPECT_EQ(memory->after_landing(0, 1).error().code, ErrorCode::kInternal);
  }
  EXPECT_EQ(device.allocations, 0);
  EXPECT_EQ(device.pins, 0);
  EXPECT_TRUE(transport.regions.empty());
}

TEST_F(TransferMemoryTest, WhatFailsHalfWayIsGivenBack) {
  device.is_full = true;
  EXPECT_EQ(
      TransferMemory::allocate(transport, &device, MemoryPath::kPinnedBounce, 1000).error().code,
      ErrorCode::kResourceExhausted);
  EXPECT_EQ(device.pins, 0);
  EXPECT_TRUE(transport.regions.empty());
  EXPECT_EQ(
      TransferMemory::allocate(transport, nullptr, MemoryPath::kHostOnly, 2 << 20).error().code,
      ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace sluice::runtime
