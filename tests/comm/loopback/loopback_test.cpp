// SPDX-License-Identifier: Apache-2.0
#include "comm/loopback/loopback.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <latch>
#include <thread>

namespace sluice::comm::loopback {
namespace {

std::unique_ptr<Transport> open_on(const std::shared_ptr<Hub>& hub, NodeId self) {
  return *open_loopback_on(hub, TransportOptions{.self = self});
}

TEST(Loopback, HubsAreWorldsApart) {
  auto here = open_on(make_hub(), 0);
  auto there = open_on(make_hub(), 1);
  ASSERT_TRUE(here->connect(1, there->address()));
  EXPECT_EQ(here->send(1, 1, {}).error().code, ErrorCode::kUnavailable);
}

// Whichever comes first, every time.
TEST(Loopback, APeerThatDiesDuringConnectIsReportedOnce) {
  const auto hub = make_hub();
  for (int round = 0; round < 200; ++round) {
    auto here = open_on(hub, 0);
    auto there = open_on(hub, 1);
    const auto address = there->address();
    std::latch both(2);
    std::thread death([&] {
      both.arrive_and_wait();
      there.reset();
    });
    both.arrive_and_wait();
    EXPECT_TRUE(here->connect(1, address));
    death.join();
    std::vector<Completion> seen(4);
    ASSERT_EQ(here->poll(seen), 1U) << "in round " << round;
    EXPECT_EQ(seen[0].kind, CompletionKind::kPeerLost);
    EXPECT_EQ(seen[0].peer, 1U);
  }
}

TEST(Loopback, ThreadsWriteAndReadByTheContract) {
  const auto hub = make_hub();
  auto owner = open_on(hub, 0);
  const auto region = owner->allocate(4096, MemoryKind::kHost);
  ASSERT_TRUE(region);
  const auto key = *owner->export_region(*region);
  const auto address = owner->address();
  std::thread writer([&] {
    auto transport = open_on(hub, 1);
    ASSERT_TRUE(transport->connect(0, address));
    const auto remote = transport->import_region(0, key);
    ASSERT_TRUE(remote);
    const std::vector<std::byte> ones(4096, std::byte{1});
    ASSERT_TRUE(transport->write(*remote, 0, ones, 1));
    ASSERT_TRUE(transport->flush(0, 2));
    std::vector<Completion> completions(4);
    for (std::size_t seen = 0; seen < 2;) {
      transport->wait(std::chrono::hours(1));
      seen += transport->poll(completions);
    }
    ASSERT_TRUE(transport->send(0, 1, {}));
  });
  std::vector<Completion> completions(1);
  while (owner->poll(completions) == 0) owner->wait(std::chrono::hours(1));
  EXPECT_EQ(completions[0].kind, CompletionKind::kMessage);
  EXPECT_EQ(completions[0].peer, 1U);
  EXPECT_TRUE(std::all_of(region->data, region->data + 4096,
                          [](std::byte byte) { return byte == std::byte{1}; }));
  writer.join();
}

TEST(Loopback, ALostPeersLastMessageStillArrives) {
  const auto hub = make_hub();
  auto node = open_on(hub, 0);
  auto peer = open_on(hub, 1);
  ASSERT_TRUE(node->connect(1, peer->address()));
  ASSERT_TRUE(peer->connect(0, node->address()));
  ASSERT_TRUE(peer->send(0, 4, {}));
  peer.reset();
  std::vector<Completion> completions(4);
  ASSERT_EQ(node->poll(completions), 2U);
  EXPECT_EQ(completions[0].kind, CompletionKind::kMessage);
  EXPECT_EQ(completions[1].kind, CompletionKind::kPeerLost);
}

}  // namespace
}  // namespace sluice::comm::loopback
