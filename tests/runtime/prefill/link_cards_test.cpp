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
  // What others send through the cards, as the meter sees it after a second with nothing of ours.
  double other_after_a_second() {
    for (int i = 0; i < 20; ++i) {
      transport.now += 50'000;
      for (auto& [card, sent] : sent_by_card) count(card, sent += 1'000'000);
      cards.feed(transport, 2, meter);
    }
    return meter.estimate(transport.now).other_bytes_per_s;
  }

  tests::TemporaryFolder sysfs;
  LanedTransport transport;
  std::map<std::string, std::uint64_t> sent_by_card;
  LinkCards cards{sysfs.path()};
  comm::LinkMeter meter;
};

TEST_F(LinkCardsTest, TheCountsOfAllCardsUnderALinkAreSummed) {
  sent_by_card = {{"eth0", 0}, {"eth1", 0}};
  for (const auto& [card, sent] : sent_by_card) count(card, sent);
  transport.names = {"posix/memory", "tcp/eth0", "tcp/eth1", "tcp/eth0"};
  EXPECT_NEAR(other_after_a_second(), 40e6, 4e6);
  EXPECT_EQ(transport.asked, 1);
}

TEST_F(LinkCardsTest, AsksUntilTheLanesAreKnownAndAgainOfAnotherProcess) {
  cards.feed(transport, 2, meter);
  cards.feed(transport, 2, meter);  // not due
  EXPECT_EQ(transport.asked, 1);
  transport.now += 50'000;
  transport.names = {"posix/memory"};
  cards.feed(transport, 2, meter);
  transport.now += 50'000;
  cards.feed(transport, 2, meter);
  EXPECT_EQ(transport.asked, 2);
  cards.forget(2);
  cards.feed(transport, 2, meter);
  EXPECT_EQ(transport.asked, 3);
}

}  // namespace
}  // namespace sluice::runtime
