// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "tests/comm/sim/sim_nodes.hpp"

namespace sluice::comm::sim {
namespace {

constexpr LinkModel kMegabytePerMs{.bytes_per_s = 1e9, .delay_us = 20, .jitter_us = 0};

TEST(SimBulk, AWriteTakesItsBytesAtTheLinksRate) {
  SimNodes nodes(WorldOptions{.link = kMegabytePerMs}, 2);
  const auto bytes = numbered(4'000'000);
  const auto [region, remote] = nodes.grant(1, 0, bytes.size());
  const std::int64_t start_us = nodes.world->now_us();
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  ASSERT_TRUE(nodes.transports[0]->flush(1, 2));
  ASSERT_TRUE(nodes.run([&] { return nodes.find(0, CompletionKind::kWriteDone) != nullptr; }));
  EXPECT_NEAR(static_cast<double>(nodes.world->now_us() - start_us), 4000, 1);
  EXPECT_EQ(nodes.find(0, CompletionKind::kFlushDone), nullptr);
  ASSERT_TRUE(nodes.run([&] { return nodes.find(0, CompletionKind::kFlushDone) != nullptr; }));
  EXPECT_NEAR(static_cast<double>(nodes.world->now_us() - start_us), 4040, 1);
  EXPECT_EQ(std::memcmp(region.data, bytes.data(), bytes.size()), 0);
  EXPECT_EQ(nodes.world->landed_bytes(0, 1), bytes.size());
}

TEST(SimBulk, BytesLandWhenTheyAreCarriedAndNotBefore) {
  SimNodes nodes(WorldOptions{.link = kMegabytePerMs}, 2);
  const auto bytes = numbered(1'000'000);
  const auto [region, remote] = nodes.grant(1, 0, bytes.size());
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  bool is_half = false;
  nodes.world->at(nodes.world->now_us() + 500, [&] { is_half = true; });
  ASSERT_TRUE(nodes.run([&] { return is_half; }));
  const std::size_t landed = nodes.world->landed_bytes(0, 1);
  EXPECT_NEAR(static_cast<double>(landed), 480'000, 65'536);
  EXPECT_EQ(std::memcmp(region.data, bytes.data(), landed), 0);
  EXPECT_EQ(region.data[landed], std::byte{0});
}

// Zero copy: the link reads the source when it carries it.
TEST(SimBulk, ASourceThatIsReusedTooEarlyGivesWrongBytes) {
  SimNodes nodes(WorldOptions{.link = kMegabytePerMs}, 2);
  auto bytes = numbered(1'000'000);
  const auto [region, remote] = nodes.grant(1, 0, bytes.size());
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  bytes.back() = std::byte{0};
  nodes.run_out();
  EXPECT_EQ(region.data[bytes.size() - 1], std::byte{0});
}

TEST(SimBulk, WritesOfOneLinkGoOneByOneAndOfTwoLinksTogether) {
  SimNodes nodes(WorldOptions{.link = kMegabytePerMs}, 3);
  const auto bytes = numbered(1'000'000);
  const auto [region, first] = nodes.grant(2, 0, 2 * bytes.size());
  const RemoteRegion second =
      *nodes.transports[1]->import_region(2, *nodes.transports[2]->export_region(region));
  const std::int64_t start_us = nodes.world->now_us();
  ASSERT_TRUE(nodes.transports[0]->write(first, 0, bytes, 1));
  ASSERT_TRUE(nodes.transports[0]->write(first, 0, bytes, 2));
  ASSERT_TRUE(nodes.transports[1]->write(second, bytes.size(), bytes, 1));
  ASSERT_TRUE(nodes.run([&] { return nodes.count(1, CompletionKind::kWriteDone) == 1; }));
  EXPECT_NEAR(static_cast<double>(nodes.world->now_us() - start_us), 1000, 1);
  ASSERT_TRUE(nodes.run([&] { return nodes.count(0, CompletionKind::kWriteDone) == 2; }));
  EXPECT_NEAR(static_cast<double>(nodes.world->now_us() - start_us), 2000, 1);
}

TEST(SimBulk, LinksIntoANodeShareItsPortEvenly) {
  constexpr NodeId kSenders = 8;
  SimNodes nodes(WorldOptions{.link = kMegabytePerMs}, kSenders + 1);
  nodes.world->set_port(kSenders, 1e9);
  const auto bytes = numbered(1'000'000);
  const auto [region, first] = nodes.grant(kSenders, 0, bytes.size());
  const auto key = *nodes.transports[kSenders]->export_region(region);
  for (NodeId sender = 0; sender < kSenders; ++sender) {
    const RemoteRegion remote = *nodes.transports[sender]->import_region(kSenders, key);
    ASSERT_TRUE(nodes.transports[sender]->write(remote, 0, bytes, 1));
  }
  bool is_half = false;
  const std::int64_t start_us = nodes.world->now_us();
  nodes.world->at(start_us + 4000, [&] { is_half = true; });
  ASSERT_TRUE(nodes.run([&] { return is_half; }));
  for (NodeId sender = 0; sender < kSenders; ++sender) {
    EXPECT_NEAR(static_cast<double>(nodes.world->landed_bytes(sender, kSenders)), 5e5, 65'536);
  }
  nodes.run_out();
  EXPECT_NEAR(static_cast<double>(nodes.world->now_us() - start_us), 8000, 100);
}

TEST(SimBulk, MessagesDoNotQueueBehindWrites) {
  SimNodes nodes(WorldOptions{.link = kMegabytePerMs}, 2);
  const auto bytes = numbered(10'000'000);
  const auto [region, remote] = nodes.grant(1, 0, bytes.size());
  const std::int64_t start_us = nodes.world->now_us();
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  ASSERT_TRUE(nodes.transports[0]->send(1, 9, {}));
  ASSERT_TRUE(nodes.run([&] { return nodes.find(1, CompletionKind::kMessage) != nullptr; }));
  EXPECT_EQ(nodes.world->now_us() - start_us, 20);
}

TEST(SimBulk, ACorruptedWriteHasOneWrongByte) {
  SimNodes nodes(WorldOptions{.link = kMegabytePerMs, .corrupt_write_chance = 1.0}, 2);
  const auto bytes = numbered(200'000);
  const auto [region, remote] = nodes.grant(1, 0, bytes.size());
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  nodes.run_out();
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) wrong += region.data[i] != bytes[i] ? 1 : 0;
  EXPECT_EQ(wrong, 1U);
  EXPECT_EQ(nodes.world->corrupted_writes(), 1U);
  // And again without.
  nodes.world->set_corrupt_write_chance(0.0);
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  nodes.run_out();
  EXPECT_EQ(std::memcmp(region.data, bytes.data(), bytes.size()), 0);
}

TEST(SimBulk, AReleasedRegionIsNotWrittenTo) {
  SimNodes nodes(WorldOptions{.link = kMegabytePerMs}, 2);
  const auto bytes = numbered(100'000);
  const auto [region, remote] = nodes.grant(1, 0, bytes.size());
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  nodes.transports[1]->release(region);
  nodes.run_out();
  EXPECT_EQ(nodes.count(0, CompletionKind::kWriteDone), 1U);
  EXPECT_EQ(nodes.world->landed_bytes(0, 1), 0U);
}

}  // namespace
}  // namespace sluice::comm::sim
