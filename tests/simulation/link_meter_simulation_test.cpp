// SPDX-License-Identifier: Apache-2.0
// The link meter as the engines feed it, over simulated links whose rate is known: no card, no
// sockets, writes and flushes alone.
#include <gtest/gtest.h>

#include "tests/simulation/engine_world.hpp"

namespace sluice::tests {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr double kMbit = 1e6 / 8;
constexpr std::int64_t kSecond = 1'000'000;

// One sender and one receiver, and handoffs of 3 MB.
class MeteredLink {
 public:
  explicit MeteredLink(double bytes_per_s)
      : engines_({.seed = 1, .link = {.bytes_per_s = bytes_per_s}}, 1, 16 * kMiB, 1,
                 {.arena_bytes = 16 * kMiB, .slot_bytes_max = 4 * kMiB}) {}

  void set_rate(double bytes_per_s) {
    engines_.world->set_link(0, 1, {.bytes_per_s = bytes_per_s});
  }

  // For so long in virtual time, with `ahead` handoffs at once.
  void run(std::int64_t us, std::size_t ahead) {
    const std::int64_t end_us = engines_.world->now_us() + us;
    bool is_over = false;
    engines_.world->at(end_us, [&] { is_over = true; });
    engines_.run([&] {
      while (!is_over && engines_.senders[0]->open() < ahead) {
        engines_.senders[0]->submit({++request_, 1, 5, 150'000, 0});
      }
      return is_over;
    });
  }

  runtime::LinkReport report() {
    const auto reports = engines_.senders[0]->engine().link_reports();
    EXPECT_EQ(reports.size(), 1U);
    return reports.empty() ? runtime::LinkReport{} : reports[0];
  }

 private:
  EngineWorld engines_;
  runtime::RequestId request_ = 0;
};

TEST(LinkMeterSimulation, AStepIsSeenWithinASecond) {
  MeteredLink link(1000 * kMbit);
  link.run(kSecond, 4);
  EXPECT_NEAR(link.report().free_bytes_per_s, 1000 * kMbit, 100 * kMbit);
  for (const double mbit : {50.0, 1000.0, 200.0, 50.0}) {
    link.set_rate(mbit * kMbit);
    link.run(kSecond, 4);
    const runtime::LinkReport report = link.report();
    EXPECT_NEAR(report.free_bytes_per_s, mbit * kMbit, 0.1 * mbit * kMbit);
    EXPECT_NEAR(report.capacity_bytes_per_s, mbit * kMbit, 0.1 * mbit * kMbit);
    EXPECT_GT(report.utilization, 0.85) << mbit;
    EXPECT_GT(report.queued_bytes, 0U);
    EXPECT_LT(report.age_us, kSecond / 2);
  }
}

TEST(LinkMeterSimulation, OneHandoffAtATimeTellsTheRateToo) {
  for (const double mbit : {50.0, 1000.0, 20'000.0}) {
    MeteredLink link(mbit * kMbit);
    link.run(kSecond, 1);
    EXPECT_NEAR(link.report().capacity_bytes_per_s, mbit * kMbit, 0.15 * mbit * kMbit);
  }
}

TEST(LinkMeterSimulation, IdleKeepsWhatWasMeasured) {
  MeteredLink link(1000 * kMbit);
  link.run(kSecond / 2, 2);
  link.run(5 * kSecond, 0);
  const runtime::LinkReport report = link.report();
  EXPECT_NEAR(report.free_bytes_per_s, 1000 * kMbit, 100 * kMbit);
  EXPECT_EQ(report.queued_bytes, 0U);
  EXPECT_EQ(report.goodput_bytes_per_s, 0.0);
  EXPECT_GT(report.age_us, 4 * kSecond);
}

}  // namespace
}  // namespace sluice::tests
