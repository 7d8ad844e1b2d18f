// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/roster.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

// Prefill 1 and 2, decode 3 and 4, all ready.
Roster four() {
  Roster roster;
  for (const comm::NodeId node : {1U, 2U}) roster.add(node, Role::kPrefill);
  for (const comm::NodeId node : {3U, 4U}) roster.add(node, Role::kDecode);
  for (const comm::NodeId node : {1U, 2U, 3U, 4U}) roster.find(node)->is_ready = true;
  return roster;
}

std::vector<std::uint32_t> alive(const std::vector<scheduler::WorkerState>& states) {
  std::vector<std::uint32_t> nodes;
  for (const auto& state : states) {
    if (state.alive) nodes.push_back(state.node);
  }
  return nodes;
}

using Nodes = std::vector<std::uint32_t>;

TEST(Roster, WhoIsGoneSilentOrLoadingGetsNothing) {
  Roster roster = four();
  EXPECT_TRUE(roster.all_ready());
  EXPECT_EQ(alive(roster.snapshot({}, {}).prefill), (Nodes{1, 2}));
  roster.find(1)->is_silent = true;
  roster.find(3)->is_alive = false;
  EXPECT_EQ(alive(roster.snapshot({}, {}).prefill), Nodes{2});
  EXPECT_EQ(alive(roster.snapshot({}, {}).decode), Nodes{4});
  roster.find(2)->is_ready = false;
  EXPECT_FALSE(roster.has_usable(Role::kPrefill));
  EXPECT_TRUE(roster.may_return(Role::kPrefill));
  EXPECT_FALSE(roster.may_return(Role::kDecode));  // one can be used now
  roster.find(4)->is_alive = false;
  EXPECT_FALSE(roster.may_return(Role::kDecode));
}

TEST(Roster, WhoIsAvoidedIsUsedWhereNobodyElseIsLeft) {
  Roster roster = four();
  EXPECT_EQ(alive(roster.snapshot({}, {1, 3}).prefill), Nodes{2});
  EXPECT_EQ(alive(roster.snapshot({}, {1, 3}).decode), Nodes{4});
  EXPECT_EQ(alive(roster.snapshot({}, {1, 2}).prefill), (Nodes{1, 2}));
  roster.find(2)->is_alive = false;
  EXPECT_EQ(alive(roster.snapshot({}, {1}).prefill), Nodes{1});
}

TEST(Roster, LoadsAreTheirNodes) {
  const Roster roster = four();
  const auto snapshot = roster.snapshot({{2, {3, 700}}}, {});
  EXPECT_EQ(snapshot.prefill[0].requests, 0);
  EXPECT_EQ(snapshot.prefill[1].requests, 3);
  EXPECT_EQ(snapshot.prefill[1].queued_tokens, 700);
}

TEST(Roster, WhoIsDrainingGetsNothingAndReturnsInTheRoleThatItIsToHave) {
  Roster roster = four();
  roster.find(3)->is_draining = true;
  EXPECT_EQ(alive(roster.snapshot({}, {}).decode), Nodes{4});
  roster.find(4)->is_draining = true;
  EXPECT_FALSE(roster.may_return(Role::kDecode));
  roster.find(1)->is_draining = roster.find(2)->is_draining = true;
  EXPECT_FALSE(roster.may_return(Role::kPrefill));
  roster.find(3)->becomes = Role::kPrefill;
  EXPECT_TRUE(roster.may_return(Role::kPrefill));
  EXPECT_EQ(roster.why_none(Role::kDecode),
            "no decode worker can take the request: rank 3 takes no new work, rank 4 takes no new "
            "work");
}

TEST(Roster, MemoryIsWhatWasSaidLessWhatWasPlacedSince) {
  Roster roster = four();
  roster.take_memory(3, 10);
  EXPECT_EQ(roster.snapshot({{3, {1, 5}}}, {}).decode[0].free_tokens, -1);
  roster.take(3, {.free_tokens = 100});
  roster.take_memory(3, 30);
  EXPECT_EQ(roster.snapshot({{3, {1, 5}}}, {}).decode[0].free_tokens, 70);
  EXPECT_EQ(roster.snapshot({}, {}).decode[0].free_tokens, 100);  // idle
  roster.take_memory(3, 90);
  EXPECT_EQ(roster.snapshot({{3, {1, 5}}}, {}).decode[0].free_tokens, 0);
  roster.give_memory_back(3, 1000);
  EXPECT_EQ(roster.snapshot({{3, {1, 5}}}, {}).decode[0].free_tokens, 100);
  EXPECT_TRUE(roster.may_fit(1000));  // of the other one nothing is known
  roster.take(4, {.free_tokens = 50});
  EXPECT_TRUE(roster.may_fit(100));
  EXPECT_FALSE(roster.may_fit(101));
  roster.forget_status(4);
  EXPECT_TRUE(roster.may_fit(101));
}

TEST(Roster, SaysInWordsWhyThereIsNobody) {
  Roster roster = four();
  roster.find(3)->is_alive = false;
  roster.find(4)->is_silent = true;
  EXPECT_EQ(roster.name(3), "rank 3 (decode)");
  EXPECT_EQ(roster.why_none(Role::kDecode),
            "no decode worker can take the request: rank 3 has ended, rank 4 does not answer");
  roster.find(2)->is_ready = false;
  EXPECT_EQ(roster.why_none(Role::kPrefill),
            "no prefill worker can take the request: rank 1 is ready, rank 2 is loading its model");
}

}  // namespace
}  // namespace sluice::runtime
