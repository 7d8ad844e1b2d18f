// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/peer_loss.hpp"

#include <gtest/gtest.h>

namespace sluice::comm::ucx {
namespace {

constexpr PeerLoss::Facts kRemoteRdma{.is_watched = false, .lands_by_itself = true};
constexpr PeerLoss::Facts kSharedMemory{.is_watched = true, .lands_by_itself = true};
constexpr PeerLoss::Facts kRemoteTcp{.is_watched = false, .lands_by_itself = false};

TEST(PeerLoss, APeerThatWritesByItselfUnwatchedIsNeverGone) {
  PeerLoss loss;
  EXPECT_FALSE(loss.is_lost());
  EXPECT_EQ(loss.take_report(0), std::nullopt);
  loss.fail("Endpoint timeout", kRemoteRdma, 1000);
  EXPECT_TRUE(loss.is_lost());
  EXPECT_TRUE(loss.is_pending());
  EXPECT_EQ(loss.take_report(1000), PeerFate::kUnknown);
  EXPECT_FALSE(loss.is_pending());
  EXPECT_EQ(loss.take_report(10'000'000), std::nullopt);
  EXPECT_EQ(loss.reason(), "Endpoint timeout");
}

TEST(PeerLoss, APeerWhoseWritesWeLandIsGoneAtOnce) {
  PeerLoss loss;
  loss.fail("Endpoint timeout", kRemoteTcp, 0);
  EXPECT_EQ(loss.take_report(0), PeerFate::kGone);
  EXPECT_EQ(loss.take_report(1), std::nullopt);
}

TEST(PeerLoss, AnEndedProcessIsGone) {
  PeerLoss loss;
  loss.end_process(0);
  EXPECT_TRUE(loss.is_lost());
  EXPECT_EQ(loss.take_report(0), PeerFate::kGone);
  EXPECT_FALSE(loss.is_pending());
  EXPECT_EQ(loss.take_report(10'000'000), std::nullopt);
  EXPECT_EQ(loss.reason(), "its process has ended");
}

TEST(PeerLoss, AClosedConnectionWaitsForTheProofAndMakesOneReport) {
  PeerLoss loss;
  loss.fail("Connection reset by remote peer", kSharedMemory, 0);
  EXPECT_EQ(loss.take_report(PeerLoss::kProofWaitUs - 1), std::nullopt);
  EXPECT_TRUE(loss.is_pending());
  loss.end_process(PeerLoss::kProofWaitUs - 1);
  EXPECT_EQ(loss.take_report(PeerLoss::kProofWaitUs - 1), PeerFate::kGone);
  EXPECT_EQ(loss.reason(), "Connection reset by remote peer");
}

TEST(PeerLoss, AProofThatComesLateIsASecondReport) {
  PeerLoss loss;
  loss.fail("Endpoint timeout", kSharedMemory, 0);
  EXPECT_EQ(loss.take_report(PeerLoss::kProofWaitUs), PeerFate::kUnknown);
  EXPECT_FALSE(loss.is_pending());
  EXPECT_EQ(loss.take_report(5'000'000), std::nullopt);
  loss.end_process(6'000'000);
  EXPECT_EQ(loss.take_report(6'000'000), PeerFate::kGone);
  EXPECT_EQ(loss.take_report(7'000'000), std::nullopt);
}

}  // namespace
}  // namespace sluice::comm::ucx
