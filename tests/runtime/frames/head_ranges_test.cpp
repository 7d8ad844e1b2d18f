// SPDX-License-Identifier: Apache-2.0
// Frames between tensor-parallel sides of different degree: every target has what one rank alone
// would have.
#include <gmock/gmock.h>

#include "runtime/frames/reshard.hpp"
#include "tests/runtime/frames/rank_cache.hpp"

namespace sluice::runtime {
namespace {

using testing::encode_range;
using testing::kRankTokens;
using testing::kRankWhole;
using testing::rank_model;
using testing::rank_pipeline;
using testing::RankCache;

using Stages = std::vector<kernels::StageSpec>;

// What the targets' pages hold after all moves of the plan, rank by rank.
std::vector<std::uint16_t> resharded(const Stages& stages, const std::vector<CacheRange>& sources,
                                     const std::vector<CacheRange>& targets) {
  const std::shared_ptr<const kernels::Pipeline> pipeline = rank_pipeline(stages);
  const kernels::FrameDecoder decoder(rank_model(), nullptr);
  kernels::Scratch scratch;
  std::vector<std::unique_ptr<RankCache>> holders;
  for (const CacheRange& range : sources) {
    holders.push_back(std::make_unique<RankCache>(range));
    holders.back()->fill();
  }
  const auto plan = reshard_plan(sources, targets);
  EXPECT_TRUE(plan.has_value());
  std::vector<std::uint16_t> all;
  for (std::size_t target = 0; target < targets.size(); ++target) {
    RankCache pages(targets[target]);
    KeptRows kept(targets[target], kRankTokens);
    for (const ReshardMove& move : *plan) {
      if (move.target != target) continue;
      EXPECT_FALSE(kept.is_complete());
      const auto sent = encode_range(pipeline, *holders[move.source], move.range);
      EXPECT_TRUE(sent.has_value()) << sent.error().message;
      if (!sent) return {};
      for (const MadeFrame& made : sent->frames) {
        EXPECT_TRUE(kept.claim(made.place).has_value());
        const auto info =
            decode_frame(decoder, Bytes(sent->memory).subspan(made.place.offset, made.bytes), made,
                         pages.pool(), pages.blocks(), scratch);
        EXPECT_TRUE(info.has_value()) << info.error().message;
        if (!info) return {};
        EXPECT_TRUE(kept.keep(*info).has_value());
      }
    }
    EXPECT_TRUE(kept.is_complete());
    EXPECT_TRUE(kept.dropped().empty());
    const auto rows = pages.rows();
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

TEST(HeadRangesOfRanks, EveryDegreeToEveryOtherAsOneRankAloneWouldHaveIt) {
  const std::vector<CacheRange> one{kRankWhole};
  const std::vector<CacheRange> uneven{{0, 3, 0, 1}, {0, 3, 1, 5}, {0, 3, 6, 2}};
  const auto split = [](int ranks) { return split_heads(kRankWhole, ranks); };
  const std::vector<Stages> pipelines = {
      {},
      {{"rtn", {{"bits", 4.0}, {"group", 32.0}}}},
      {{"hadamard", {}}, {"uniform", {{"step", 0.25}}}, {"rans", {}}},
      {{"protect", {{"sinks", 0.0}, {"window", 16.0}}},
       {"rtn",
        {{"bits", 2.0},
         {"group", 32.0},
         {"axis_key", std::string("channel")},
         {"axis_value", std::string("token")}}}}};
  for (std::size_t i = 0; i < pipelines.size(); ++i) {
    SCOPED_TRACE(i);
    const auto expected = resharded(pipelines[i], one, one);
    if (i == 0) {
      EXPECT_EQ(expected, RankCache(kRankWhole).fill().rows());
    }
    EXPECT_EQ(resharded(pipelines[i], split(2), one), expected);
    EXPECT_EQ(resharded(pipelines[i], one, split(2)), expected);
    EXPECT_EQ(resharded(pipelines[i], split(2), split(4)), expected);
    EXPECT_EQ(resharded(pipelines[i], split(4), split(2)), expected);
    EXPECT_EQ(resharded(pipelines[i], uneven, split(2)), expected);
    EXPECT_EQ(resharded(pipelines[i], split(4), uneven), expected);
  }
}

TEST(HeadRangesOfRanks, AFrameOfOtherHeadsThanAnnouncedIsRefused) {
  RankCache source(kRankWhole);
  source.fill();
  const auto sent = encode_range(rank_pipeline({}), source, {0, 3, 2, 2});
  ASSERT_TRUE(sent.has_value()) << sent.error().message;
  RankCache target({0, 3, 2, 2});
  const kernels::FrameDecoder decoder(rank_model(), nullptr);
  kernels::Scratch scratch;
  MadeFrame made = sent->frames.front();
  const auto decode = [&](KvPool& pool, const std::vector<KvBlockId>& blocks) {
    return decode_frame(decoder, Bytes(sent->memory).subspan(made.place.offset, made.bytes), made,
                        pool, blocks, scratch);
  };
  EXPECT_TRUE(decode(target.pool(), target.blocks()).has_value());
  made.place.head_count = 0;  // all that are held, and so they are
  EXPECT_TRUE(decode(target.pool(), target.blocks()).has_value());
  RankCache other({0, 3, 1, 2});
  EXPECT_FALSE(decode(other.pool(), other.blocks()).has_value());
  for (const auto& [first, count] : {std::pair{1, 2}, {2, 1}, {2, 3}}) {
    made.place.head_first = first;
    made.place.head_count = count;
    const auto refused = decode(target.pool(), target.blocks());
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr("not the one announced"));
  }
}

TEST(HeadRangesOfRanks, AStageThatNeedsAllHeadsEndsTheEncoding) {
  RankCache source({0, 3, 4, 4});
  source.fill();
  const auto sent = encode_range(rank_pipeline({{"random", {{"budget", 0.5}}}, {"rtn", {}}}),
                                 source, {0, 3, 4, 2});
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(sent.error().message, ::testing::HasSubstr("stage 'random'"));
}

}  // namespace
}  // namespace sluice::runtime
