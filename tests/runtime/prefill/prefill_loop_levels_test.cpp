// SPDX-License-Identifier: Apache-2.0
// The real loop under a handoff's steering: every frame is of the level that was chosen for it.
#include <gtest/gtest.h>

#include <set>

#include "runtime/engine/engine_options.hpp"
#include "runtime/frames/frame_room.hpp"
#include "runtime/prefill/prefill_loop.hpp"
#include "tests/support/source_pipelines.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t kTokens = 64;  // four parts

std::shared_ptr<scheduler::LevelTable> two_levels() {
  auto table = std::make_shared<scheduler::LevelTable>();
  table->raw_bytes_per_token = 1000.0;
  table->levels.resize(2);
  table->levels[0] = {.pipeline = "int8", .bytes_per_token = 550.0, .kl = 0.001};
  table->levels[1] = {.pipeline = "int4", .bytes_per_token = 300.0, .kl = 0.01};
  return table;
}

TEST(PrefillLoopLevels, FramesAreOfTheLevelsChosenForThem) {
  TinyModel model{tiny_spec()};
  const KvShape shape = kv_shape_of(model.spec());
  const auto pipelines = source_pipelines(model);
  PrefillConfig config;
  config.compute = "f32";
  config.threads = 1;
  config.chunk_tokens = 16;
  config.kv_memory_bytes = 1 << 20;
  Mailbox<PrefillEvent> events;
  std::shared_ptr<LevelSteering> steering;
  const auto on_event = [&](PrefillEvent event) {
    // The link is found to be fast when the first frame has been made.
    if (std::holds_alternative<PrefillEvent::PieceReady>(event.what)) {
      steering->see_link({.bytes_per_s = 1e12}, 0);
    }
    events.push(std::move(event));
  };
  PrefillLoop loop(model, PrefillLoopOptions{config, 1, shape, "here"}, on_event);
  while (!std::get<PrefillEvent::Loaded>(events.pop()->what).ready) {
  }

  const auto fine = pipelines->find("int8").value();
  PrefillJob job;
  job.pipeline = pipelines->find("int4").value();
  job.plan = with_room_for(plan_frames(*job.pipeline, kTokens, 16), *fine);
  job.steering = steering =
      std::make_shared<LevelSteering>(SteeringRequest{.levels = two_levels(),
                                                      .candidates = {{0, fine}, {1, job.pipeline}},
                                                      .level = 1,
                                                      .deadline_us = std::int64_t{1} << 60},
                                      job.plan, kTokens);
  job.submit.request = 4;
  job.submit.tokens_max = 3;
  job.submit.prompt.assign(kTokens, 5);
  std::vector<std::byte> staging(job.plan.bytes);
  job.staging = staging;
  loop.submit(std::move(job));

  std::vector<std::string> levels;
  std::size_t fine_layers = 0;
  for (PrefillEvent event = *events.pop();
       !std::holds_alternative<PrefillEvent::Finished>(event.what); event = *events.pop()) {
    const auto* ready = std::get_if<PrefillEvent::PieceReady>(&event.what);
    ASSERT_NE(ready, nullptr);
    const auto info = kernels::read_frame_info(
                          Bytes(staging).subspan(ready->piece.offset_bytes, ready->piece.bytes))
                          .value();
    EXPECT_EQ(info.pipeline, ready->pipeline->name());
    levels.push_back(info.pipeline);
    if (info.pipeline == "int8") fine_layers += 1;
  }
  EXPECT_EQ(levels.size(), static_cast<std::size_t>(4 * shape.layers));
  EXPECT_EQ(levels.front(), "int4");
  EXPECT_EQ(levels.back(), "int8");
  EXPECT_EQ(fine_layers, levels.size() - 1);
  EXPECT_EQ(steering->first(), "int4");
  EXPECT_EQ(steering->levels().rfind("int4 0.3 layers, int8 ", 0), 0U) << steering->levels();
}

}  // namespace
}  // namespace sluice::runtime
