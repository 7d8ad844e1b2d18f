// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/event_set.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <array>

namespace sluice::comm::ucx {
namespace {

constexpr std::chrono::milliseconds kNow{0};

TEST(EventSet, NamesTheMembersThatAreReadable) {
  auto set = EventSet::open();
  ASSERT_TRUE(set);
  const Descriptor quiet(eventfd(0, 0));
  const Descriptor ready(eventfd(1, 0));
  ASSERT_TRUE(set->add(quiet.number(), 7));
  ASSERT_TRUE(set->add(ready.number(), 9));
  std::array<std::uint64_t, 4> tags{};
  ASSERT_EQ(set->wait(std::chrono::hours(1), tags), 1U);
  EXPECT_EQ(tags[0], 9U);
  set->remove(ready.number());
  EXPECT_EQ(set->wait(kNow, tags), 0U);
}

TEST(EventSet, SetsNest) {
  auto inner = EventSet::open();
  auto outer = EventSet::open();
  ASSERT_TRUE(inner && outer);
  ASSERT_TRUE(outer->add(inner->number(), 1));
  std::array<std::uint64_t, 4> tags{};
  EXPECT_EQ(outer->wait(kNow, tags), 0U);
  const Descriptor ready(eventfd(1, 0));
  ASSERT_TRUE(inner->add(ready.number(), 2));
  EXPECT_EQ(outer->wait(std::chrono::hours(1), tags), 1U);
}

TEST(EventSet, TellsNoMoreThanFits) {
  auto set = EventSet::open();
  ASSERT_TRUE(set);
  std::array<Descriptor, 3> ready{Descriptor(eventfd(1, 0)), Descriptor(eventfd(1, 0)),
                                  Descriptor(eventfd(1, 0))};
  for (const Descriptor& descriptor : ready) ASSERT_TRUE(set->add(descriptor.number(), 5));
  std::array<std::uint64_t, 2> tags{};
  EXPECT_EQ(set->wait(kNow, tags), 2U);
  EXPECT_EQ(set->wait(kNow, {}), 0U);
}

TEST(EventSet, RefusesWhatCannotBeWaitedFor) {
  auto set = EventSet::open();
  ASSERT_TRUE(set);
  EXPECT_EQ(set->add(-1, 1).error().code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace sluice::comm::ucx
