// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/link_cards.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/runtime/transfer/push_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

class LanedTransport final : public testing::StepTransport {
 public:
  std::vector<std::string> lanes(comm::NodeId) const override {
    ++asked;
    return names;
  }
  std::vector<std::string> names;
  mutable int asked = 0;
};

struct LinkCardsTest : ::testing::Test {
  void count(const std::string& card, std::uint64_t sent) {
    const auto folder = sysfs.path() / "class/net" / card;
    std::filesystem::create_directories(folder / "statistics");
    std::ofstream(folder / "statistics/tx_bytes") << sent << '\n';
    std::ofstream(folder / "statistics/rx_bytes") << 0 << '\n';
    std::ofstream(folder / "speed") << 1000 << '\n';
  }
  tests::TemporaryFolder sysfs;
  LanedTransport transport;
  LinkCards cards{sysfs.path()};
};

TEST_F(LinkCardsTest, TheCountsOfAllCardsUnderALinkAreSummed) {
  count("eth0", 70);
  count("eth1", 800);
  transport.names = {"posix/memory", "tcp/eth0", "tcp/eth1", "tcp/eth0"};
  const auto counted = cards.due(transport, 2);
  ASSERT_TRUE(counted.has_value());
  EXPECT_EQ(counted->sent_bytes, 870U);
  EXPECT_EQ(counted->speed_bytes_per_s, 250e6);
  EXPECT_FALSE(cards.due(transport, 2).has_value());  // not yet again
  count("eth1", 900);
  transport.now += 50'000;
  EXPECT_EQ(cards.due(transport, 2)->sent_bytes, 970U);
  EXPECT_EQ(transport.asked, 1);
}

TEST_F(LinkCardsTest, AsksUntilTheLanesAreKnownAndAgainOfAnotherProcess) {
  EXPECT_FALSE(cards.due(transport, 2).has_value());
  EXPECT_FALSE(cards.due(transport, 2).has_value());  // not due
  EXPECT_EQ(transport.asked, 1);
  transport.now += 50'000;
  transport.names = {"posix/memory"};
  EXPECT_FALSE(cards.due(transport, 2).has_value());
  transport.now += 50'000;
  EXPECT_FALSE(cards.due(transport, 2).has_value());
  EXPECT_EQ(transport.asked, 2);
  cards.forget(2);
  EXPECT_FALSE(cards.due(transport, 2).has_value());
  EXPECT_EQ(transport.asked, 3);
}

}  // namespace
}  // namespace sluice::runtime
