// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/peer_loss.hpp"

#include <gtest/gtest.h>

namespace sluice::comm::ucx {
namespace {

TEST(PeerLoss, APeerNobodyWatchesIsLostAtOnceAndNeverGone) {
  PeerLoss loss;
  EXPECT_FALSE(loss.is_lost());
  EXPECT_EQ(loss.take_report(0), std::nullopt);
  loss.fail("Connection reset by remote peer", false, 1000);
  EXPECT_TRUE(loss.is_lost());
  EXPECT_TRUE(loss.is_pending());
  EXPECT_EQ(loss.take_report(1000), PeerFate::kUnknown);
  EXPECT_FALSE(loss.is_pending());
  loss.progressed(true, 10'000'000);
  EXPECT_EQ(loss.take_report(10'000'000), std::nullopt);
  EXPECT_EQ(loss.reason(), "Connection reset by remote peer");
}

TEST(PeerLoss, AnEndedProcessIsGoneOnceTheWorkerRanDry) {
  PeerLoss loss;
  loss.end_process(0);
  EXPECT_TRUE(loss.is_lost());
  loss.progressed(false, PeerLoss::kDryUs - 1);
  EXPECT_EQ(loss.take_report(PeerLoss::kDryUs), std::nullopt);
  EXPECT_TRUE(loss.is_pending());
  loss.progressed(true, PeerLoss::kDryUs);
  EXPECT_EQ(loss.take_report(2 * PeerLoss::kDryUs - 2), std::nullopt);
  EXPECT_EQ(loss.take_report(2 * PeerLoss::kDryUs - 1), PeerFate::kGone);
  EXPECT_FALSE(loss.is_pending());
  EXPECT_EQ(loss.take_report(10'000'000), std::nullopt);
  EXPECT_EQ(loss.reason(), "its process has ended");
}

TEST(PeerLoss, ABusyWorkerIsDryAfterEnoughRounds) {
  PeerLoss loss;
  loss.end_process(0);
  std::int64_t now_us = 0;
  for (int round = 1; round < PeerLoss::kDryRounds; ++round) {
    loss.progressed(false, now_us += 10);
    ASSERT_EQ(loss.take_report(now_us), std::nullopt) << round;
  }
  loss.progressed(false, now_us += 10);
  EXPECT_EQ(loss.take_report(now_us), PeerFate::kGone);
}

TEST(PeerLoss, ManyRoundsInNoTimeAreNotDryness) {
  PeerLoss loss;
  loss.end_process(0);
  for (int round = 0; round < 2 * PeerLoss::kDryRounds; ++round) loss.progressed(false, 1);
  EXPECT_EQ(loss.take_report(1), std::nullopt);
}

TEST(PeerLoss, AClosedConnectionWaitsForTheProofAndMakesOneReport) {
  PeerLoss loss;
  loss.fail("Connection reset by remote peer", true, 0);
  EXPECT_EQ(loss.take_report(PeerLoss::kProofWaitUs - 1), std::nullopt);
  EXPECT_TRUE(loss.is_pending());
  loss.end_process(PeerLoss::kProofWaitUs - 1);
  EXPECT_EQ(loss.take_report(PeerLoss::kProofWaitUs), std::nullopt);
  EXPECT_EQ(loss.take_report(PeerLoss::kProofWaitUs + PeerLoss::kDryUs), PeerFate::kGone);
  EXPECT_EQ(loss.reason(), "Connection reset by remote peer");
}

TEST(PeerLoss, AProofThatComesLateIsASecondReport) {
  PeerLoss loss;
  loss.fail("Endpoint timeout", true, 0);
  EXPECT_EQ(loss.take_report(PeerLoss::kProofWaitUs), PeerFate::kUnknown);
  EXPECT_FALSE(loss.is_pending());
  EXPECT_EQ(loss.take_report(5'000'000), std::nullopt);
  loss.end_process(6'000'000);
  EXPECT_TRUE(loss.is_pending());
  EXPECT_EQ(loss.take_report(6'000'000 + PeerLoss::kDryUs), PeerFate::kGone);
}

}  // namespace
}  // namespace sluice::comm::ucx
