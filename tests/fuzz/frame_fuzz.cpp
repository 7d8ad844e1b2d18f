// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame of every stage: as they are, and with a length and a checksum that fit, so
// that the decoders behind them see the damage.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/check.hpp"
#include "kernels/pipeline/frame.hpp"
#include "kernels/pipeline/frame_format.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/kv_fixture.hpp"
#include "tests/support/stage_pipelines.hpp"

namespace {

using namespace sluice;

tests::KvFixtureSpec spec_of(std::int64_t tokens) {
  return {.layers = 2, .head_dim = 16, .tokens = tokens};
}

// One profile with the tables of all pipelines: a frame names it by its hash.
struct World {
  World() {
    kernels::Profile learnt;
    const kernels::ScoreNeeds all = {.window_tokens = 16,
                                     .question = true,
                                     .peak = true,
                                     .accumulated = true,
                                     .expected = true,
                                     .output_norm = true,
                                     .queries = true,
                                     .similarity = true,
                                     .reconstruction = true};
    const std::vector<kernels::CalibrationCache> caches{
        {cache.pages(), cache.spec().tokens, cache.scores(all)}};
    for (const auto& spec : tests::stage_pipelines()) {
      const auto done = kernels::calibrate(spec, cache.shape(), caches, learnt);
      SLUICE_CHECK(done.has_value(), done ? "" : done.error().message.c_str());
    }
    profile = std::make_shared<const kernels::Profile>(std::move(learnt));
    decoder = std::make_unique<kernels::FrameDecoder>(cache.shape(), profile);
  }
  static World& get() {
    static World world;
    return world;
  }

  tests::KvFixture cache{spec_of(24)};
  tests::KvFixture target{spec_of(40)};
  std::shared_ptr<const kernels::Profile> profile;
  std::unique_ptr<kernels::FrameDecoder> decoder;
  kernels::Scratch scratch;
};

bool is_decoded(Bytes bytes) {
  World& world = World::get();
  const auto info = kernels::read_frame_info(bytes);
  SLUICE_CHECK(info.has_value() || !info.error().message.empty(), "an error says nothing");
  const auto pages = world.target.pages();
  const auto layers = info ? std::clamp<std::int64_t>(info->layer_count, 1, 2) : 1;
  kernels::FrameDecoder::Target target;
  target.pages = std::span(pages).first(static_cast<std::size_t>(layers));
  std::vector<std::vector<std::int32_t>> kept;
  const auto done = world.decoder->decode(bytes, target, world.scratch, &kept);
  SLUICE_CHECK(done.has_value() || !done.error().message.empty(), "an error says nothing");
  SLUICE_CHECK(info.has_value() || !done.has_value(), "decoded without a header");
  return done.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  is_decoded(bytes);
  constexpr std::size_t kLengthAt = 8;
  if (size < kLengthAt + 2 * sizeof(std::uint64_t)) return 0;
  const auto forged = std::make_unique_for_overwrite<std::byte[]>(size);
  std::memcpy(forged.get(), data, size);
  const std::uint64_t length = size;
  std::memcpy(forged.get() + kLengthAt, &length, sizeof length);
  const std::uint64_t checksum = kernels::frame_checksum({forged.get(), size});
  std::memcpy(forged.get() + size - sizeof checksum, &checksum, sizeof checksum);
  is_decoded({forged.get(), size});
  return 0;
}

namespace sluice::fuzz {

std::vector<std::string> seeds() {
  World& world = World::get();
  const auto pages = world.cache.pages();
  std::vector<std::string> seeds;
  for (const auto& spec : tests::stage_pipelines()) {
    const auto pipeline = kernels::Pipeline::create(spec, world.cache.shape(), world.profile);
    SLUICE_CHECK(pipeline.has_value(), pipeline ? "" : pipeline.error().message.c_str());
    const auto scores = world.cache.scores((*pipeline)->score_needs());
    const std::int64_t layers = std::min<std::int64_t>((*pipeline)->layers_per_frame(), 2);
    const auto count = static_cast<std::size_t>(layers);
    const auto plan = (*pipeline)->plan_layers(24, scores, 1);
    kernels::EncodeTask task;
    task.pages = std::span(pages).first(count);
    task.last_token = 24;
    task.plan = plan ? &*plan : nullptr;
    task.scores = std::span(scores).first((*pipeline)->needs_all_layers() ? 2 : count);
    std::vector<std::byte> frame((*pipeline)->frame_bytes_max(24, layers));
    const auto done = (*pipeline)->encode(task, frame, world.scratch);
    SLUICE_CHECK(done.has_value(), done ? "" : done.error().message.c_str());
    SLUICE_CHECK(is_decoded({frame.data(), done->frame_bytes}), "a seed is not decoded");
    seeds.emplace_back(reinterpret_cast<const char*>(frame.data()), done->frame_bytes);
    if (!(*pipeline)->check_head_parts(/*holds_all=*/true)) continue;
    task.head_first = 1;  // of two: a frame of version 2
    const auto part = (*pipeline)->encode(task, frame, world.scratch);
    if (!part && part.error().code == ErrorCode::kUnsupported) continue;  // palu: half a group
    SLUICE_CHECK(part.has_value(), part ? "" : part.error().message.c_str());
    SLUICE_CHECK(is_decoded({frame.data(), part->frame_bytes}), "a seed is not decoded");
    seeds.emplace_back(reinterpret_cast<const char*>(frame.data()), part->frame_bytes);
  }
  return seeds;
}

}  // namespace sluice::fuzz
