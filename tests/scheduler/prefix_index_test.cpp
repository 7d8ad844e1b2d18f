// SPDX-License-Identifier: Apache-2.0
#include "scheduler/prefix_index.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace sluice::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Cached = PrefixIndex::Cached;
using Hashes = std::vector<PrefixHash>;

TEST(PrefixIndex, FindsWorkersByNodeWithAsManyBlocksAsTheyHold) {
  PrefixIndex index;
  index.store(7, Hashes{10, 11, 12});
  index.store(3, Hashes{10, 11});
  index.store(5, Hashes{20});
  EXPECT_EQ(index.entries(), 6U);
  EXPECT_THAT(index.find(Hashes{10, 11, 12, 13}), ElementsAre(Cached{3, 2}, Cached{7, 3}));
  EXPECT_THAT(index.find(Hashes{10}), ElementsAre(Cached{3, 1}, Cached{7, 1}));
  EXPECT_THAT(index.find(Hashes{20, 10}), ElementsAre(Cached{5, 1}));
  EXPECT_THAT(index.find(Hashes{30, 10}), IsEmpty());
  EXPECT_THAT(index.find({}), IsEmpty());
}

TEST(PrefixIndex, AGapEndsWhatIsFound) {
  PrefixIndex index;
  index.store(1, Hashes{10, 11, 12});
  index.store(2, Hashes{10, 11, 12});
  index.evict(1, Hashes{11});
  EXPECT_THAT(index.find(Hashes{10, 11, 12}), ElementsAre(Cached{1, 1}, Cached{2, 3}));
  index.evict(1, Hashes{10});
  EXPECT_THAT(index.find(Hashes{10, 11, 12}), ElementsAre(Cached{2, 3}));
}

TEST(PrefixIndex, WhatIsSaidTwiceCountsOnce) {
  PrefixIndex index;
  index.store(1, Hashes{10, 10, 11});
  index.store(1, Hashes{10});
  EXPECT_EQ(index.entries(), 2U);
  index.evict(1, Hashes{10, 10, 99});
  index.evict(2, Hashes{11});
  EXPECT_EQ(index.entries(), 1U);
  index.store(1, Hashes{10});
  EXPECT_THAT(index.find(Hashes{10, 11}), ElementsAre(Cached{1, 2}));
}

TEST(PrefixIndex, AForgottenWorkerHoldsNothingAndCanBeginAnew) {
  PrefixIndex index;
  index.store(1, Hashes{10, 11});
  index.store(2, Hashes{10});
  index.forget(1);
  index.forget(9);
  EXPECT_THAT(index.find(Hashes{10, 11}), ElementsAre(Cached{2, 1}));
  EXPECT_EQ(index.entries(), 1U);
  index.store(1, Hashes{10});
  EXPECT_THAT(index.find(Hashes{10}), ElementsAre(Cached{1, 1}, Cached{2, 1}));
}

TEST(PrefixIndex, AWorkerIsBelievedUpToALimit) {
  PrefixIndex index(3);
  index.store(1, Hashes{10, 11, 12, 13});
  EXPECT_EQ(index.entries(), 3U);
  EXPECT_THAT(index.find(Hashes{10, 11, 12, 13}), ElementsAre(Cached{1, 3}));
  index.evict(1, Hashes{12});
  index.store(1, Hashes{13});
  index.store(2, Hashes{10});
  EXPECT_EQ(index.entries(), 4U);
}

// Holders far apart and close together, on either side of the shorter list.
TEST(PrefixIndex, FewAmongManyAreFound) {
  PrefixIndex index;
  for (std::uint32_t node = 0; node < 1000; ++node) index.store(node, Hashes{11});
  for (const std::uint32_t node : {0U, 1U, 400U, 998U, 999U, 1000U, 5000U}) {
    index.store(node, Hashes{10});
  }
  EXPECT_THAT(index.find(Hashes{10, 11}),
              ElementsAre(Cached{0, 2}, Cached{1, 2}, Cached{400, 2}, Cached{998, 2},
                          Cached{999, 2}, Cached{1000, 1}, Cached{5000, 1}));
}

// The same by sets, one per worker.
class Naive {
 public:
  void store(std::uint32_t node, const Hashes& blocks) {
    held_[node].insert(blocks.begin(), blocks.end());
  }
  void evict(std::uint32_t node, const Hashes& blocks) {
    for (const PrefixHash block : blocks) held_[node].erase(block);
  }
  void forget(std::uint32_t node) { held_.erase(node); }
  std::vector<Cached> find(const Hashes& blocks) const {
    std::vector<Cached> cached;
    for (const auto& [node, held] : held_) {
      std::int64_t count = 0;
      for (const PrefixHash block : blocks) {
        if (!held.contains(block)) break;
        ++count;
      }
      if (count > 0) cached.push_back({node, count});
    }
    return cached;
  }
  std::size_t entries() const {
    std::size_t count = 0;
    for (const auto& [node, held] : held_) count += held.size();
    return count;
  }

 private:
  std::map<std::uint32_t, std::set<PrefixHash>> held_;
};

// A path from the root of a tree with two ways at each depth.
Hashes random_prompt(std::mt19937& random) {
  Hashes blocks;
  PrefixHash place = 1;
  for (std::size_t length = random() % 12; blocks.size() < length;) {
    place = 2 * place + random() % 2;
    blocks.push_back(place * 0x9E3779B97F4A7C15ULL);
  }
  return blocks;
}

TEST(PrefixIndex, AgreesWithOneSetPerWorker) {
  std::mt19937 random(11);
  PrefixIndex index;
  Naive naive;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint32_t node = random() % 20;
    const Hashes blocks = random_prompt(random);
    switch (random() % 16) {
      case 0:
        if (random() % 8 != 0) break;
        index.forget(node);
        naive.forget(node);
        break;
      case 1:
      case 2:
      case 3:
      case 4: {
        const Hashes end(blocks.begin() + static_cast<std::ptrdiff_t>(blocks.size() / 2),
                         blocks.end());
        index.evict(node, end);
        naive.evict(node, end);
        break;
      }
      default:
        index.store(node, blocks);
        naive.store(node, blocks);
    }
    ASSERT_EQ(index.entries(), naive.entries()) << "step " << step;
    const Hashes asked = random_prompt(random);
    ASSERT_EQ(index.find(asked), naive.find(asked)) << "step " << step;
  }
  for (std::uint32_t node = 0; node < 20; ++node) index.forget(node);
  EXPECT_EQ(index.entries(), 0U);
}

}  // namespace
}  // namespace sluice::scheduler
