// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/address.hpp"

#include <gtest/gtest.h>

namespace sluice::comm::ucx {
namespace {

std::vector<std::byte> some_bytes(std::size_t count) {
  std::vector<std::byte> made(count);
  for (std::size_t i = 0; i < count; ++i) made[i] = static_cast<std::byte>(i * 7 + 1);
  return made;
}

TEST(Address, ComesBackWhole) {
  PeerAddress address{own_identity(), 0x1234567890abcdef, true,
                      false,          some_bytes(200),    some_bytes(70)};
  const auto opened = open_address(seal_address(address));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->worker, address.worker);
  EXPECT_EQ(opened->control, address.control);
  EXPECT_TRUE(opened->has_shared_memory);
  EXPECT_FALSE(opened->has_rdma);
  EXPECT_EQ(opened->instance, address.instance);
  EXPECT_EQ(opened->process.process, address.process.process);
  EXPECT_EQ(opened->process.start_ticks, address.process.start_ticks);
  EXPECT_EQ(opened->process.host, address.process.host);
}

TEST(Address, EveryCutAndEveryFlippedByteIsRefused) {
  const auto sealed = seal_address({own_identity(), 7, true, true, some_bytes(50), {}});
  for (std::size_t bytes = 0; bytes < sealed.size(); ++bytes) {
    const auto opened = open_address(Bytes(sealed).first(bytes));
    ASSERT_FALSE(opened) << bytes;
    EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
  }
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    auto damaged = sealed;
    damaged[at] ^= std::byte{0x10};
    ASSERT_FALSE(open_address(damaged)) << at;
  }
  auto longer = sealed;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(open_address(longer));
}

TEST(Address, TellsWhoMayWriteAlone) {
  PeerAddress one;
  one.process.host = 5;
  PeerAddress other = one;
  EXPECT_FALSE(may_write_alone(one, other));
  one.has_shared_memory = true;
  EXPECT_FALSE(may_write_alone(one, other));
  other.has_shared_memory = true;
  EXPECT_TRUE(may_write_alone(one, other));
  other.process.host = 6;
  EXPECT_FALSE(may_write_alone(one, other));
  other.process.host = 0;  // unknown
  EXPECT_TRUE(may_write_alone(one, other));
  other.process.host = 6;
  one.has_rdma = other.has_rdma = true;
  EXPECT_TRUE(may_write_alone(one, other));
}

TEST(RegionKeySeal, ComesBackWholeAndIsNoAddress) {
  const RegionKey key{0x7f0000001000, 4096, 12, MemoryKind::kCuda, some_bytes(30)};
  const auto sealed = seal_region_key(key);
  const auto opened = open_region_key(sealed);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->address, key.address);
  EXPECT_EQ(opened->bytes, key.bytes);
  EXPECT_EQ(opened->region, key.region);
  EXPECT_EQ(opened->kind, key.kind);
  EXPECT_EQ(opened->packed, key.packed);
  EXPECT_FALSE(open_address(sealed));
}

TEST(RegionKeySeal, ARegionThatWrapsAroundIsRefused) {
  EXPECT_FALSE(open_region_key(seal_region_key({UINT64_MAX - 10, 100, 1, {}, some_bytes(3)})));
  EXPECT_TRUE(open_region_key(seal_region_key({UINT64_MAX - 100, 100, 1, {}, some_bytes(3)})));
}

TEST(RegionKeySeal, AnUnknownKindOfMemoryIsRefused) {
  EXPECT_FALSE(open_region_key(seal_region_key({0, 100, 1, MemoryKind{7}, some_bytes(3)})));
}

}  // namespace
}  // namespace sluice::comm::ucx
