// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_facts.hpp"

#include <gtest/gtest.h>

namespace sluice::launch {
namespace {

const SideFacts kSide = {
    .name = "left",
    .host = "vm",
    .place = "boot net",
    .has_shared_memory = true,
    .transports_setting = "tcp",
    .resources = {"tcp/lo", "posix/memory"},
    .rdma_ports = {{"mlx5_0 port 1", 100}},
    .device = {
        .is_built_with_cuda = true, .cuda_devices = 2, .has_cuda_ipc = true, .has_dmabuf = true}};

TEST(SideFacts, ComeBackAsTheyWent) {
  ByteWriter writer;
  put_side(writer, kSide);
  ByteReader reader(writer.bytes());
  const Result<SideFacts> side = get_side(reader);
  ASSERT_TRUE(side);
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_EQ(side->name, kSide.name);
  EXPECT_EQ(side->host, kSide.host);
  EXPECT_EQ(side->place, kSide.place);
  EXPECT_TRUE(side->has_shared_memory);
  EXPECT_EQ(side->transports_setting, kSide.transports_setting);
  EXPECT_EQ(side->resources, kSide.resources);
  ASSERT_EQ(side->rdma_ports.size(), 1U);
  EXPECT_EQ(side->rdma_ports[0].name, "mlx5_0 port 1");
  EXPECT_EQ(side->rdma_ports[0].gbit_per_s, 100);
  EXPECT_EQ(side->device.cuda_devices, 2);
  EXPECT_TRUE(side->device.is_built_with_cuda);
  EXPECT_TRUE(side->device.has_cuda_ipc);
  EXPECT_TRUE(side->device.has_dmabuf);
  EXPECT_FALSE(side->device.has_cuda_transports);
  EXPECT_FALSE(side->device.has_gdr_copy);
}

TEST(SideFacts, CutOffIsCorrupt) {
  ByteWriter writer;
  put_side(writer, kSide);
  for (std::size_t bytes = 0; bytes < writer.bytes().size(); ++bytes) {
    ByteReader reader(Bytes(writer.bytes()).first(bytes));
    const Result<SideFacts> side = get_side(reader);
    ASSERT_FALSE(side) << bytes;
    EXPECT_EQ(side.error().code, ErrorCode::kCorrupt);
  }
}

TEST(DirectionFacts, ComeBackAsTheyWent) {
  const DirectionFacts facts = {
      .lanes = {"tcp/lo"}, .puts = {{65536, 1e9}, {1 << 20, 2e9}}, .round_trip_us = 30};
  const std::vector<std::byte> packed = pack_direction(facts);
  const Result<DirectionFacts> back = unpack_direction(packed);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->lanes, facts.lanes);
  ASSERT_EQ(back->puts.size(), 2U);
  EXPECT_EQ(back->puts[1].block_bytes, 1U << 20);
  EXPECT_EQ(back->puts[1].bytes_per_s, 2e9);
  EXPECT_EQ(back->round_trip_us, 30);
  EXPECT_FALSE(unpack_direction(Bytes(packed).first(packed.size() - 1)));
}

// A count that no honest peer has asks for no memory.
TEST(DirectionFacts, ALyingCountIsCorrupt) {
  ByteWriter writer;
  writer.put(std::uint32_t{0xffffffff});
  const Result<DirectionFacts> facts = unpack_direction(writer.bytes());
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::launch
