// SPDX-License-Identifier: Apache-2.0
// Prefill and decode ranks of different tensor-parallel degree: real frames of a synthetic cache,
// pushed by every prefill rank to every decode rank that needs a part of what it holds.
#include "runtime/frames/reshard.hpp"

#include <gtest/gtest.h>

#include <map>

#include "comm/registry.hpp"
#include "runtime/transfer/push_engine.hpp"
#include "runtime/transfer/receive_engine.hpp"
#include "tests/runtime/frames/rank_cache.hpp"

namespace sluice::runtime {
namespace {

using testing::encode_range;
using testing::kRankTokens;
using testing::kRankWhole;
using testing::rank_model;
using testing::rank_pipeline;
using testing::RankCache;

constexpr comm::NodeId kSources = 100;
constexpr comm::NodeId kTargets = 200;
// A handoff's name is one at each end: a rank that sends a prompt to several targets has one for
// each of them.
constexpr RequestId request_to(std::size_t target) { return 5000 + target; }

std::unique_ptr<comm::Transport> transport_of(comm::NodeId node) {
  return comm::open_transport("loopback", {.self = node}).value();
}

class Source {
 public:
  Source(std::size_t rank, const CacheRange& range)
      : cache_(range), transport(transport_of(kSources + static_cast<comm::NodeId>(rank))) {
    cache_.fill();
    staging_ = transport->allocate(std::size_t{1} << 20, comm::MemoryKind::kHost).value();
    engine = std::make_unique<PushEngine>(*transport, staging_, PushOptions{});
  }

  void push(const ReshardMove& move, const std::shared_ptr<const kernels::Pipeline>& pipeline,
            std::int32_t writers) {
    const auto sent = encode_range(pipeline, cache_, move.range);
    ASSERT_TRUE(sent.has_value()) << sent.error().message;
    WantMessage want;
    want.request = request_to(move.target);
    want.prompt_tokens = kRankTokens;
    want.tokens_max = 4;
    want.frame_bytes = sent->plan.bytes;
    for (const PlannedFrame& frame : sent->plan.frames) {
      want.frame_bytes_largest = std::max<std::uint64_t>(want.frame_bytes_largest, frame.bytes_max);
    }
    want.range = move.range;
    want.writers = writers;
    const auto staging = engine->open({kTargets + static_cast<comm::NodeId>(move.target), want});
    ASSERT_TRUE(staging.has_value()) << staging.error().message;
    std::copy(sent->memory.begin(), sent->memory.end(), staging->begin());
    for (const MadeFrame& made : sent->frames) {
      engine->add(want.request, {made.place.range(), made.place.first_token, made.place.last_token,
                                 made.place.offset, made.bytes, made.checksum});
    }
    ManifestMessage manifest;
    manifest.request = want.request;
    manifest.prompt_tokens = kRankTokens;
    manifest.tokens_max = want.tokens_max;
    engine->finish(want.request, manifest);
    engine->release(want.request);
    ++opened;
  }

  void turn() {
    std::vector<comm::Completion> one(1);
    while (transport->poll(one) == 1) {
      if (one[0].kind == comm::CompletionKind::kMessage) {
        engine->take(one[0].peer, static_cast<MessageType>(one[0].type), one[0].payload);
      } else {
        engine->take(one[0]);
      }
    }
    engine->turn();
    for (const auto& ended : engine->take_ended()) {
      EXPECT_TRUE(ended.status.has_value()) << ended.status.error().message;
      ++done;
    }
  }

  int opened = 0;
  int done = 0;

 private:
  RankCache cache_;
  comm::Region staging_;

 public:
  std::unique_ptr<comm::Transport> transport;
  std::unique_ptr<PushEngine> engine;
};

class Target final : public FrameSink {
 public:
  Target(std::size_t rank, const CacheRange& range)
      : cache(range),
        transport(transport_of(kTargets + static_cast<comm::NodeId>(rank))),
        kept_(range, kRankTokens) {
    arena = transport->allocate(std::size_t{1} << 18, comm::MemoryKind::kHost).value();
    engine = std::make_unique<ReceiveEngine>(
        *transport, arena, *this,
        // Smaller than what comes: slots are gone round.
        ReceiveOptions{.range = range, .slot_bytes_max = std::size_t{16} << 10});
  }

  Result<bool> open(RequestId, const ReceiveTerms&) override { return true; }
  void take(const LandedFrame& frame) override {
    const CacheRange& range = frame.piece.range;
    const MadeFrame made{{.layer_first = range.layer_first,
                          .layer_count = range.layer_count,
                          .first_token = frame.piece.first_token,
                          .last_token = frame.piece.last_token,
                          .head_first = range.head_first,
                          .head_count = range.head_count},
                         frame.piece.bytes,
                         frame.piece.checksum};
    Status status = kept_.claim(made.place);
    if (status) {
      const auto info =
          decode_frame(decoder_, frame.bytes, made, cache.pool(), cache.blocks(), scratch_);
      status = info ? kept_.keep(*info) : Status(info.error());
    }
    EXPECT_TRUE(status.has_value()) << status.error().message;
    engine->frame_done(frame, status);
  }
  void complete(RequestId, const std::vector<ManifestMessage>& manifests) override {
    EXPECT_TRUE(kept_.is_complete());
    writers = manifests.size();
  }
  void drop(RequestId, const Error& error, bool) override { ADD_FAILURE() << error.message; }

  void turn() {
    std::vector<comm::Completion> one(1);
    while (transport->poll(one) == 1) {
      if (one[0].kind != comm::CompletionKind::kMessage) continue;
      engine->take(one[0].peer, static_cast<MessageType>(one[0].type), one[0].payload);
    }
    engine->turn();
  }

  RankCache cache;
  std::unique_ptr<comm::Transport> transport;
  comm::Region arena;
  std::unique_ptr<ReceiveEngine> engine;
  std::size_t writers = 0;  // of the request when it was complete

 private:
  KeptRows kept_;
  kernels::FrameDecoder decoder_{rank_model(), nullptr};
  kernels::Scratch scratch_;
};

// What the targets hold in the end, rank by rank.
std::vector<std::uint16_t> pushed(const std::vector<kernels::StageSpec>& stages,
                                  const std::vector<CacheRange>& from,
                                  const std::vector<CacheRange>& to) {
  const std::shared_ptr<const kernels::Pipeline> pipeline = rank_pipeline(stages);
  const auto plan = reshard_plan(from, to).value();
  std::vector<std::unique_ptr<Source>> sources;
  std::vector<std::unique_ptr<Target>> targets;
  for (const CacheRange& range : from) {
    sources.push_back(std::make_unique<Source>(sources.size(), range));
  }
  for (const CacheRange& range : to) {
    targets.push_back(std::make_unique<Target>(targets.size(), range));
  }
  std::vector<std::int32_t> writers(to.size(), 0);
  for (const ReshardMove& move : plan) {
    ++writers[move.target];
    comm::Transport& source = *sources[move.source]->transport;
    Target& target = *targets[move.target];
    EXPECT_TRUE(source.connect(target.transport->self(), target.transport->address()).has_value());
    EXPECT_TRUE(target.transport->connect(source.self(), source.address()).has_value());
    const auto key = target.transport->export_region(target.arena).value();
    sources[move.source]->engine->set_arena(
        target.transport->self(), source.import_region(target.transport->self(), key).value());
  }
  for (const ReshardMove& move : plan) {
    sources[move.source]->push(move, pipeline, writers[move.target]);
  }
  for (int turn = 0; turn < 2000; ++turn) {
    for (auto& source : sources) source->turn();
    for (auto& target : targets) target->turn();
  }
  std::vector<std::uint16_t> all;
  for (auto& source : sources) {
    EXPECT_EQ(source->done, source->opened);
    EXPECT_EQ(source->engine->staging_bytes_taken(), 0U);
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    EXPECT_EQ(targets[i]->writers, static_cast<std::size_t>(writers[i]));
    EXPECT_EQ(targets[i]->engine->memory().taken_bytes, 0U);
    const auto rows = targets[i]->cache.rows();
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

TEST(Reshard, RanksOfEveryDegreeHaveWhatOneRankWouldHave) {
  const auto split = [](int ranks) { return split_heads(kRankWhole, ranks); };
  const std::vector<CacheRange> uneven{{0, 3, 0, 3}, {0, 3, 3, 2}, {0, 3, 5, 3}};
  const std::vector<std::vector<kernels::StageSpec>> pipelines = {
      {}, {{"rtn", {{"bits", 4.0}, {"group", 32.0}}}, {"rans", {}}}};
  for (const auto& stages : pipelines) {
    SCOPED_TRACE(stages.empty() ? "raw" : "rtn");
    const auto expected = pushed(stages, split(1), split(1));
    if (stages.empty()) {
      EXPECT_EQ(expected, RankCache(kRankWhole).fill().rows());
    }
    EXPECT_EQ(pushed(stages, split(2), split(1)), expected);
    EXPECT_EQ(pushed(stages, split(1), split(2)), expected);
    EXPECT_EQ(pushed(stages, split(2), split(4)), expected);
    EXPECT_EQ(pushed(stages, split(4), split(2)), expected);
    EXPECT_EQ(pushed(stages, uneven, split(2)), expected);
  }
}

}  // namespace
}  // namespace sluice::runtime
