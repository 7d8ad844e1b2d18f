// SPDX-License-Identifier: Apache-2.0
// A handoff whose link changes on the way, in a simulated world: real frames of a synthetic cache,
// decoded where they have landed.
#include <gmock/gmock.h>

#include <set>

#include "kernels/pipeline/frame.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "runtime/frames/frame_decode.hpp"
#include "tests/runtime/prefill/prefill_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using testing::kDecodeNode;
using testing::kPrefillNode;
using testing::kRouterNode;
using testing::PrefillFixture;
using ::testing::StartsWith;

constexpr std::int64_t kPrompt = 160;  // ten parts of four frames
constexpr std::int64_t kFrameUs = 10'000;
constexpr KvShape kShape{4, 2, 64, DType::kBF16};

scheduler::LevelTable level_table(PipelineSet&) {
  scheduler::LevelTable table;
  table.raw_bytes_per_token = 2048.0;
  table.prefill_s_per_token = 1e-6 * static_cast<double>(40 * kFrameUs) / kPrompt;
  double kl = 0.001;
  for (const auto& [name, bytes] :
       {std::pair("int8", 1100.0), std::pair("int4", 590.0), std::pair("int2", 330.0)}) {
    scheduler::Level level;
    level.pipeline = name;
    level.stages = pipeline_hash(find_preset(name, SLUICE_SOURCE_DIR "/configs/pipelines").value());
    level.bytes_per_token = bytes;
    level.encode_s_per_token = 1e-6;
    level.kl = kl *= 4.0;
    level.is_streaming = true;
    table.levels.push_back(level);
  }
  return table;
}

class LevelHandoffTest : public PrefillFixture {
 protected:
  LevelHandoffTest() : PrefillFixture(kPrompt, level_table) {
    std::mt19937 random(3);
    for (std::int64_t layer = 0; layer < kShape.layers; ++layer) {
      for (const KvBlockId block : blocks) {
        auto* values = reinterpret_cast<std::uint16_t*>(cache->block(layer, block));
        for (std::size_t i = 0; i < cache->block_bytes() / 2; ++i) {
          values[i] = bf16_from_f32(static_cast<float>(random() % 1000) / 100.0F - 5.0F);
        }
      }
    }
    compute->prefill_us = 40 * kFrameUs;
    compute->make_frame = [this](const PrefillJob& job, std::size_t index) {
      return encode(job, index);
    };
  }

  MadeFrame encode(const PrefillJob& job, std::size_t index) {
    const PlannedFrame& place = job.plan.frames[index];
    const double computed =
        static_cast<double>(index + 1) / static_cast<double>(job.plan.frames.size());
    auto pipeline = job.steering != nullptr ? job.steering->choose(place, computed, world->now_us())
                                            : job.pipeline;
    MadeFrame made = encode_with(*pipeline, place, job.staging);
    made.encode_us = 2 * (place.last_token - place.first_token) / kShape.layers;
    made.pipeline = std::move(pipeline);
    if (job.steering != nullptr) job.steering->made(made);
    return made;
  }
  MadeFrame encode_with(const kernels::Pipeline& pipeline, const PlannedFrame& place,
                        MutableBytes memory) {
    EncodeRequest request;
    request.pipeline = pipelines->find(pipeline.name()).value();
    request.plan.range = place.range();
    request.plan.frames = {place};
    request.plan.groups = request.plan.parts = 1;
    request.kv_pool = cache.get();
    request.blocks = blocks;
    request.tokens = kPrompt;
    request.memory = memory;
    request.plan.bytes = place.offset + place.bytes_max;
    MadeFrame made;
    CodecPool here(0);
    FrameEncoder encoder(here, std::move(request), [&](const MadeFrame& one) { made = one; });
    encoder.layer_ready(place.layer_first, place.last_token);
    EXPECT_TRUE(encoder.finish().has_value());
    return made;
  }

  void set_link(double bytes_per_s) {
    world->set_link(kPrefillNode, kDecodeNode, {.bytes_per_s = bytes_per_s});
  }

  // The handoff with its objective, while `on_frame` does what it does before each frame. The
  // manifest's timeline; every frame must have come.
  RequestTimeline hand_over(const std::string& level, std::int64_t ttft_us,
                            const std::function<void(std::size_t)>& on_frame) {
    SubmitMessage message;
    message.request = 1;
    message.decode_node = kDecodeNode;
    message.tokens_max = 3;
    message.pipeline = level;
    message.may_change_level = may_change;
    message.ttft_left_us = ttft_us;
    message.kl_max = kl_max;
    message.prompt.resize(kPrompt, 5);
    send(kRouterNode, MessageType::kSubmit, message);
    const WantMessage asked = want(1);
    send(kDecodeNode, MessageType::kGrant, GrantMessage{1, 11, 256, asked.frame_bytes});
    for (std::size_t frame = 0; frame < 40; ++frame) {
      on_frame(frame);
      compute->make(1, 1);
      run_for(kFrameUs);
    }
    compute->finish(1);
    ManifestMessage manifest;
    while (pieces.size() < 40 || manifest.frames == 0) {
      Message got = next(kDecodeNode);
      if (got.second.empty()) break;
      if (got.first == MessageType::kManifest) {
        manifest = ManifestMessage::decode(got.second).value();
      } else {
        const PiecesMessage announced = PiecesMessage::decode(got.second).value();
        pieces.insert(pieces.end(), announced.pieces.begin(), announced.pieces.end());
      }
    }
    EXPECT_EQ(pieces.size(), 40U);
    send(kDecodeNode, MessageType::kTaken, TakenMessage{1, 11, {}, true});
    return manifest.timeline;
  }

  // Decodes what landed, and beside it what each frame's own level makes of the cache.
  void check_decoded() {
    const kernels::FrameDecoder& decoder = pipelines->decoder();
    kernels::Scratch scratch;
    auto landed = KvPool::create(kShape, kv_blocks_for(kPrompt)).value();
    auto expected = KvPool::create(kShape, kv_blocks_for(kPrompt)).value();
    const auto to = landed->acquire(kv_blocks_for(kPrompt)).value();
    const auto beside = expected->acquire(kv_blocks_for(kPrompt)).value();
    std::vector<std::byte> memory(plan.bytes);
    for (const Piece& piece : pieces) {
      const Bytes bytes =
          Bytes(peers[kDecodeNode].arena.data + 256 + piece.offset_bytes, piece.bytes);
      const auto info = kernels::read_frame_info(bytes).value();
      levels.insert(info.pipeline);
      PlannedFrame place{.layer_first = piece.range.layer_first,
                         .layer_count = piece.range.layer_count,
                         .first_token = piece.first_token,
                         .last_token = piece.last_token,
                         .offset = 0,
                         .bytes_max = memory.size(),
                         .head_first = 0,
                         .head_count = 2};
      const MadeFrame came{place, piece.bytes, piece.checksum};
      const auto decoded = decode_frame(decoder, bytes, came, *landed, to, scratch);
      ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
      const MadeFrame own =
          encode_with(*pipelines->find(info.pipeline).value(), place, MutableBytes(memory));
      ASSERT_TRUE(
          decode_frame(decoder, Bytes(memory).first(own.bytes), own, *expected, beside, scratch)
              .has_value());
    }
    for (std::int64_t layer = 0; layer < kShape.layers; ++layer) {
      for (std::size_t i = 0; i < to.size(); ++i) {
        EXPECT_EQ(std::memcmp(landed->block(layer, to[i]), expected->block(layer, beside[i]),
                              landed->block_bytes()),
                  0)
            << "layer " << layer << ", block " << i;
      }
    }
  }

  std::unique_ptr<KvPool> cache = KvPool::create(kShape, kv_blocks_for(kPrompt)).value();
  std::vector<KvBlockId> blocks = cache->acquire(kv_blocks_for(kPrompt)).value();
  std::vector<Piece> pieces;
  std::set<std::string> levels;  // of the frames
  bool may_change = true;
  double kl_max = 1.0;
};

TEST_F(LevelHandoffTest, ALinkThatSlowsDownMakesTheRestCoarser) {
  set_link(1e6);
  const auto timeline = hand_over("int8", 600'000, [&](std::size_t frame) {
    if (frame == 15) set_link(6e4);
  });
  EXPECT_EQ(timeline.pipeline, "int8");
  EXPECT_THAT(timeline.levels, StartsWith("int8 "));
  EXPECT_THAT(timeline.levels, HasSubstr(", int"));
  check_decoded();
  EXPECT_GE(levels.size(), 2U);
}

TEST_F(LevelHandoffTest, ALinkThatGetsFasterMakesTheRestFiner) {
  set_link(1e5);
  const auto timeline = hand_over("int2", 900'000, [&](std::size_t frame) {
    if (frame == 10) set_link(1e7);
  });
  EXPECT_EQ(timeline.pipeline, "int2");
  EXPECT_THAT(timeline.levels, HasSubstr("int8 "));
  check_decoded();
  EXPECT_TRUE(levels.contains("int8"));
}

TEST_F(LevelHandoffTest, ALinkThatWaversChangesNothing) {
  const auto timeline = hand_over("int4", 400'000, [&](std::size_t frame) {
    set_link(frame % 4 < 2 ? 4.3e5 : 5.3e5);  // int8 would just be late, or just in time
  });
  EXPECT_EQ(timeline.pipeline, "int4");
  EXPECT_EQ(timeline.levels, "");
  check_decoded();
  EXPECT_EQ(levels, std::set<std::string>{"int4"});
}

TEST_F(LevelHandoffTest, WhoMayNotChangeDoesNot) {
  may_change = false;
  set_link(1e6);
  const auto timeline = hand_over("int8", 600'000, [&](std::size_t frame) {
    if (frame == 15) set_link(6e4);
  });
  EXPECT_EQ(timeline.levels, "");
  check_decoded();
  EXPECT_EQ(levels, std::set<std::string>{"int8"});
}

TEST_F(LevelHandoffTest, NoLevelIsCoarserThanItsUserAccepts) {
  kl_max = 0.02;
  set_link(1e6);
  (void)hand_over("int8", 600'000, [&](std::size_t frame) {
    if (frame == 15) set_link(2e4);
  });
  check_decoded();
  EXPECT_FALSE(levels.contains("int2"));
}

TEST_F(LevelHandoffTest, TheRouterHearsHowFastItIs) {
  set_link(1e6);
  (void)hand_over("int8", 600'000, [](std::size_t) {});
  run_for(500'000);
  const auto& statuses = peers[kRouterNode].statuses;
  ASSERT_FALSE(statuses.empty());
  EXPECT_LE(statuses.size(), 6U);
  const double took_s = 1e-6 * static_cast<double>(compute->prefill_us);
  EXPECT_NEAR(statuses.back().prefill_s_per_token, took_s / kPrompt, 1e-9);
  EXPECT_NEAR(statuses.back().codec_slowness, 2.0, 1e-6);  // of what the table says
}

}  // namespace
}  // namespace sluice::runtime
