// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/incoming_handoff.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "runtime/transfer/checksum.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t kTokens = 40;
constexpr CacheRange kRange{0, 3, 0, 2};

struct Granted : IncomingHandoff {
  explicit Granted(std::uint64_t bytes = 1000)
      : IncomingHandoff(4, WantMessage{7, kTokens, 4, 1000, 100, kRange, 1, 0, {}}) {
    grant({7, 5, 256, bytes});
  }
  bool announce(const Piece& piece) { return take(PiecesMessage{7, 5, {piece}}).has_value(); }
  static Piece layer(std::int32_t layer, std::uint64_t offset, std::uint64_t bytes = 100) {
    return {{layer, 1, 0, 2}, 0, kTokens, offset, bytes, static_cast<std::uint64_t>(layer) + 1};
  }
  static ManifestMessage manifest() {
    ManifestMessage manifest;
    manifest.range = kRange;
    manifest.prompt_tokens = kTokens;
    manifest.tokens_max = 4;
    manifest.frames = 3;
    for (std::uint64_t checksum = 1; checksum <= 3; ++checksum) {
      manifest.checksum = fold_checksum(manifest.checksum, checksum);
    }
    return manifest;
  }
};

// Refused before a byte of it is read.
TEST(IncomingHandoff, FramesOutsideTheGrantAreRefused) {
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  constexpr std::int64_t kLong = std::numeric_limits<std::int64_t>::max();
  Granted handoff;
  for (const auto& [offset, bytes] : {std::pair<std::uint64_t, std::uint64_t>{1000, 1},
                                      {999, 2},
                                      {0, 1001},
                                      {kMost, 1},
                                      {1, kMost},
                                      {kMost, kMost},
                                      {0, 0},
                                      {1000, 0}}) {
    EXPECT_FALSE(handoff.announce(Granted::layer(0, offset, bytes))) << offset << " " << bytes;
  }
  EXPECT_FALSE(handoff.announce({{0, 4, 0, 2}, 0, kTokens, 0, 64, 0}));
  EXPECT_FALSE(handoff.announce({{0, 1, 1, 2}, 0, kTokens, 0, 64, 0}));
  EXPECT_FALSE(handoff.announce({{0, 1, 0, 2}, 0, kLong, 0, 64, 0}));
  EXPECT_TRUE(handoff.announce({kRange, 0, kTokens, 0, 1000, 0}));  // none took anything
}

TEST(IncomingHandoff, FramesOverOthersInTheSlotAreRefused) {
  const auto second = [](std::uint64_t offset, std::uint64_t bytes) {
    Granted handoff;
    EXPECT_TRUE(handoff.announce(Granted::layer(0, 100)));
    return handoff.announce(Granted::layer(1, offset, bytes));
  };
  EXPECT_TRUE(second(200, 100));
  EXPECT_TRUE(second(0, 100));
  EXPECT_FALSE(second(100, 100));
  EXPECT_FALSE(second(199, 1));
  EXPECT_FALSE(second(1, 100));
  EXPECT_FALSE(second(0, 300));
}

TEST(IncomingHandoff, APlaceIsFreeOnceItsTakenWasHandedOut) {
  Granted handoff(100);
  EXPECT_TRUE(handoff.announce(Granted::layer(0, 0)));
  handoff.taken(0);
  EXPECT_TRUE(handoff.has_taken());
  EXPECT_FALSE(handoff.announce(Granted::layer(1, 0)));
  EXPECT_EQ(handoff.take_taken(), (std::vector<std::uint64_t>{0}));
  EXPECT_TRUE(handoff.announce(Granted::layer(1, 0)));
  EXPECT_TRUE(handoff.take_taken().empty());
}

TEST(IncomingHandoff, TheManifestIsTheLastWordOnceNothingIsAskedForAgain) {
  Granted handoff;
  EXPECT_TRUE(handoff.announce(Granted::layer(0, 0)));
  EXPECT_TRUE(handoff.ask_again(0));
  EXPECT_FALSE(handoff.ask_again(0));
  EXPECT_FALSE(handoff.has_last_word());
  EXPECT_TRUE(handoff.take(Granted::manifest()));
  EXPECT_FALSE(handoff.has_last_word());
  Piece other = Granted::layer(0, 0);
  other.last_token -= 1;
  EXPECT_FALSE(handoff.announce(other));
  EXPECT_TRUE(handoff.announce(Granted::layer(0, 0)));
  EXPECT_TRUE(handoff.has_last_word());
}

TEST(IncomingHandoff, AFailedOneStillHearsWhatWasAskedForAgain) {
  Granted handoff;
  EXPECT_TRUE(handoff.announce(Granted::layer(0, 0)));
  EXPECT_TRUE(handoff.ask_again(0));
  EXPECT_TRUE(handoff.take(Granted::manifest()));
  handoff.take_last(PiecesMessage{7, 5, {Granted::layer(1, 500)}});
  EXPECT_FALSE(handoff.has_last_word());
  handoff.take_last(PiecesMessage{7, 5, {Granted::layer(0, 0)}});
  EXPECT_TRUE(handoff.has_last_word());
}

TEST(IncomingHandoff, AClosedWriterHasSaidItsLastWord) {
  Granted handoff;
  EXPECT_TRUE(handoff.announce(Granted::layer(0, 0)));
  EXPECT_TRUE(handoff.ask_again(0));
  handoff.close();
  EXPECT_TRUE(handoff.has_last_word());
}

// Folded by place, in whatever order they came.
TEST(IncomingHandoff, CompleteWhenAllFramesOfTheManifestAreTaken) {
  Granted handoff;
  for (const std::int32_t layer : {2, 0, 1}) {
    EXPECT_TRUE(handoff.announce(Granted::layer(layer, static_cast<std::uint64_t>(layer) * 100)));
    handoff.taken(static_cast<std::uint64_t>(layer) * 100);
  }
  EXPECT_FALSE(handoff.is_complete().value());
  EXPECT_TRUE(handoff.take(Granted::manifest()));
  handoff.in_work = 1;
  EXPECT_FALSE(handoff.is_complete().value());
  handoff.in_work = 0;
  EXPECT_TRUE(handoff.is_complete().value());
  EXPECT_FALSE(handoff.take(Granted::manifest()));  // there is one
}

TEST(IncomingHandoff, HeadsOfALayerAreFoldedInTheirOrder) {
  Granted handoff;
  ManifestMessage manifest = Granted::manifest();
  manifest.frames = 2;
  manifest.checksum = fold_checksum(fold_checksum(0, 11), 12);
  EXPECT_TRUE(handoff.announce({{0, 3, 1, 1}, 0, kTokens, 0, 100, 12}));
  EXPECT_TRUE(handoff.announce({{0, 3, 0, 1}, 0, kTokens, 100, 100, 11}));
  handoff.taken(0);
  handoff.taken(100);
  EXPECT_TRUE(handoff.take(manifest));
  EXPECT_TRUE(handoff.is_complete().value());
}

TEST(IncomingHandoff, WhatIsCachedDoesNotCome) {
  IncomingHandoff handoff(4, WantMessage{7, 75, 4, 1000, 100, kRange, 1, 64, {1, 2}});
  handoff.grant({7, 5, 256, 1000});
  const auto announce = [&](std::int64_t first_token, std::uint64_t offset) {
    return handoff.take(PiecesMessage{7, 5, {{kRange, first_token, 75, offset, 100, 9}}})
        .has_value();
  };
  EXPECT_FALSE(announce(0, 0));
  EXPECT_FALSE(announce(63, 0));
  EXPECT_TRUE(announce(64, 0));
  handoff.taken(0);
  ManifestMessage manifest;
  manifest.range = kRange;
  manifest.prompt_tokens = 75;
  manifest.tokens_max = 4;
  manifest.frames = 1;
  manifest.checksum = fold_checksum(0, 9);
  EXPECT_TRUE(handoff.take(manifest).has_value());
  EXPECT_TRUE(handoff.is_complete().value());
}

}  // namespace
}  // namespace sluice::runtime
