// SPDX-License-Identifier: Apache-2.0
// A whole cluster whose links change while it serves: link_aware and the level of each frame, as
// the router, the workers and the link meters do it together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "runtime/config/pipeline_config.hpp"
#include "tests/simulation/simulated_cluster.hpp"
#include "tests/simulation/synthetic_model.hpp"

namespace sluice::tests {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr double kFast = 3e6;  // bytes per second
constexpr double kObjectiveS = 2.0;
enum : std::int32_t { kRaw, kInt8, kInt4 };

// The synthetic model has 768 bytes of KV per token.
std::shared_ptr<const scheduler::LevelTable> three_levels(const ComputeOptions& compute,
                                                          std::int64_t chunk_tokens) {
  auto table = std::make_shared<scheduler::LevelTable>();
  table->raw_bytes_per_token = 768.0;
  table->prefill_s_per_token = 1e-6 *
                               static_cast<double>(compute.frame_us * kSyntheticShape.layers) /
                               static_cast<double>(chunk_tokens);
  table->decode_s_per_output_token = 1e-6 * static_cast<double>(compute.token_us);
  double kl = 0.0;
  for (const auto& [name, bytes] :
       {std::pair("raw", 770.0), std::pair("int8", 435.0), std::pair("int4", 245.0)}) {
    scheduler::Level level;
    level.pipeline = name;
    level.stages = runtime::pipeline_hash(
        runtime::find_preset(name, SLUICE_SOURCE_DIR "/configs/pipelines").value());
    level.bytes_per_token = bytes;
    level.kl = kl;
    level.is_streaming = true;
    table->levels.push_back(level);
    kl += 0.01;
  }
  return table;
}

SimulatedClusterOptions options_of(comm::NodeId prefill, comm::NodeId decode,
                                   std::int64_t frame_us) {
  SimulatedClusterOptions options;
  options.prefill = prefill;
  options.decode = decode;
  options.world.link.bytes_per_s = kFast;
  options.compute.frame_us = frame_us;
  options.staging_bytes = options.arena_bytes = std::size_t{8} << 20;
  options.slot_bytes_max = std::size_t{2} << 20;
  options.policy = "link_aware";
  options.levels = three_levels(options.compute, options.chunk_tokens);
  runtime::SloClassConfig objective;
  objective.ttft_s = kObjectiveS;
  objective.may_reject = false;
  options.scheduler.classes = {objective};
  return options;
}

class ChangingLinks {
 public:
  explicit ChangingLinks(const SimulatedClusterOptions& options) : cluster(options) {
    EXPECT_TRUE(cluster.run_until_ready());
  }

  void set_rate(comm::NodeId from, comm::NodeId to, double bytes_per_s) {
    cluster.world().set_link(from, to, {.bytes_per_s = bytes_per_s});
  }

  std::size_t submit(std::int64_t tokens) {
    runtime::GenerateRequest request;
    for (std::int64_t i = 0; i < tokens; ++i) {
      // Another beginning each time: nothing is found in a cache.
      request.prompt.push_back(static_cast<runtime::TokenId>((i * 7 + seed_) % kSyntheticVocab));
    }
    seed_ += 3;
    request.tokens_max = 3;
    request.ignore_end = true;
    return cluster.submit(std::move(request));
  }

  // One request until its end, and a moment more in which its link is told: where it went.
  scheduler::Decision serve(std::int64_t tokens) {
    const std::size_t request = submit(tokens);
    EXPECT_TRUE(cluster.run_for(60 * kSecondUs, [&] { return ended(request); }));
    cluster.run_for(kSecondUs, [] { return false; });
    EXPECT_FALSE(cluster.decisions().empty());
    return cluster.decisions().empty() ? scheduler::Decision{} : cluster.decisions().back();
  }

  bool ended(std::size_t request) const { return cluster.requests()[request].has_ended(); }
  double first_token_s(std::size_t request) const {
    return 1e-6 * static_cast<double>(cluster.requests()[request].timeline.first_token_us);
  }

  // All were answered with what their prompts mean, from the KV that they mean.
  void expect_answered() {
    for (const UserRequest& request : cluster.requests()) {
      EXPECT_FALSE(request.error.has_value()) << request.error->message;
      EXPECT_EQ(request.tokens, synthetic_answer(request.asked).tokens);
    }
    EXPECT_TRUE(cluster.ledger().findings.empty()) << cluster.ledger().findings.front();
  }

  SimulatedCluster cluster;

 private:
  std::int64_t seed_ = 1;
};

TEST(ChangingLinks, PlacementAvoidsTheSlowLink) {
  ChangingLinks links(options_of(2, 2, 500));  // 1 and 2 prefill, 3 and 4 decode
  for (const comm::NodeId decode : {3U, 4U}) links.set_rate(1, decode, 50e3);
  // Nothing is known at first: the lowest node, over a link that is found to be slow.
  EXPECT_EQ(links.serve(512).prefill_node, 1U);
  int slow = 0;
  for (int i = 0; i < 6; ++i) {
    const scheduler::Decision decision = links.serve(512);
    slow += decision.prefill_node == 1 ? 1 : 0;
    if (i < 2) continue;
    EXPECT_EQ(decision.level, kRaw);
  }
  EXPECT_LE(slow, 1) << "the first worker's link to the other decode worker has to be found out";
  // Now the other one's links are the slow ones.
  for (const comm::NodeId decode : {3U, 4U}) {
    links.set_rate(1, decode, kFast);
    links.set_rate(2, decode, 10e3);
  }
  for (int i = 0; i < 4; ++i) links.serve(512);
  for (int i = 0; i < 3; ++i) {
    const scheduler::Decision decision = links.serve(512);
    EXPECT_EQ(decision.prefill_node, 1U);
    EXPECT_EQ(decision.level, kRaw);
  }
  links.expect_answered();
}

TEST(ChangingLinks, LevelsGetCoarserAndComeBack) {
  ChangingLinks links(options_of(1, 1, 500));
  const std::pair<double, std::int32_t> steps[] = {
      {kFast, kRaw}, {90e3, kInt4}, {150e3, kInt8}, {90e3, kInt4}, {kFast, kRaw}};
  for (const auto& [rate, level] : steps) {
    links.set_rate(1, 2, rate);
    for (int i = 0; i < 2; ++i) links.serve(512);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(links.serve(512).level, level) << "at " << rate << " bytes per second";
      EXPECT_LT(links.first_token_s(links.cluster.requests().size() - 1), kObjectiveS);
    }
  }
  links.expect_answered();
}

// Seconds to the first token of a request whose link falls to half of what raw bytes need, when a
// third of it is computed; and the levels that it was sent at.
std::pair<double, std::string> served_through_a_step(bool adapts) {
  SimulatedClusterOptions options = options_of(1, 1, 30'000);  // 1,000 tokens in 1.4 s
  options.scheduler.adapt_levels = adapts;
  ChangingLinks links(options);
  links.serve(256);
  links.cluster.at(kSecondUs / 2, [&] { links.set_rate(1, 2, 280e3); });
  const std::size_t request = links.submit(1000);
  EXPECT_TRUE(links.cluster.run_for(60 * kSecondUs, [&] { return links.ended(request); }));
  links.expect_answered();
  EXPECT_EQ(links.cluster.decisions().back().level, kRaw);
  return {links.first_token_s(request), links.cluster.requests()[request].timeline.levels};
}

TEST(ChangingLinks, AHandoffUnderWayGoesOnAtACoarserLevel) {
  const auto [adapted_s, levels] = served_through_a_step(true);
  EXPECT_THAT(levels, HasSubstr("raw "));
  EXPECT_THAT(levels, HasSubstr(", int"));
  const auto [kept_s, no_levels] = served_through_a_step(false);
  EXPECT_EQ(no_levels, "");
  EXPECT_LT(adapted_s, kObjectiveS);
  EXPECT_GT(kept_s, kObjectiveS);
}

// What was predicted when a request was placed is what happened, once the link is known.
TEST(ChangingLinks, PredictionsHold) {
  ChangingLinks links(options_of(1, 1, 500));
  for (const double rate : {kFast, 300e3, 90e3}) {
    links.set_rate(1, 2, rate);
    for (int i = 0; i < 3; ++i) links.serve(512);
    const auto& timeline = links.cluster.requests().back().timeline;
    EXPECT_NEAR(static_cast<double>(timeline.predicted_us),
                static_cast<double>(timeline.first_token_us),
                0.1 * static_cast<double>(timeline.first_token_us))
        << "at " << rate << " bytes per second";
  }
}

}  // namespace
}  // namespace sluice::tests
