// SPDX-License-Identifier: Apache-2.0
// The whole protocol, from submit to the last token, against the same job in one process.
#include "runtime/router/router.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "runtime/router/local_generator.hpp"
#include "tests/support/process_cluster.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

const std::vector<Role> kOneOfEach{Role::kRouter, Role::kPrefill, Role::kDecode};
const std::vector<Role> kTwoOfEach{Role::kRouter, Role::kPrefill, Role::kPrefill, Role::kDecode,
                                   Role::kDecode};

GenerateRequest request_of(std::int64_t prompt_tokens, std::int64_t tokens_max,
                           std::uint64_t seed) {
  GenerateRequest request;
  std::mt19937_64 random(seed);
  for (std::int64_t i = 0; i < prompt_tokens; ++i) {
    request.prompt.push_back(static_cast<TokenId>(random() % 97));
  }
  request.tokens_max = tokens_max;
  // Drawn, not greedy: a tiny random model repeats itself when greedy, which hides mistakes.
  request.sampling = {.temperature = 1.0, .top_p = 1.0, .top_k = 0, .seed = seed};
  return request;
}

std::vector<TokenId> local_answer(const ModelFile& model, const ClusterConfig& config,
                                  const GenerateRequest& request,
                                  std::span<const TokenId> end_tokens = {}) {
  const auto pipelines = source_pipelines(model, config.pipeline.name);
  auto local = create_local_generator(model, config, *pipelines, end_tokens, {});
  EXPECT_TRUE(local.has_value());
  auto stream = (*local)->submit(request);
  EXPECT_TRUE(stream.has_value());
  return collect(**stream).value();
}

TEST(Router, AnswersAreThoseOfOneProcess) {
  const TinyModel model(tiny_spec());
  const ClusterConfig config = process_config(kOneOfEach);
  ProcessCluster cluster(model, config);
  for (const std::int64_t prompt_tokens : {1, 2, 15, 16, 17, 31, 32, 33, 100, 300}) {
    const auto request = request_of(prompt_tokens, 12, static_cast<std::uint64_t>(prompt_tokens));
    auto stream = cluster.router().submit(request);
    ASSERT_TRUE(stream.has_value());
    const auto answer = collect(**stream);
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(*answer, local_answer(model, config, request)) << prompt_tokens;
  }
}

// Pipelines that stream, that need the whole prompt, that select by head, and that need all layers.
struct PipelineCase {
  const char* name;
  const char* stages;
};
const PipelineCase kPipelines[] = {
    {"streams", "[ rtn: { bits: 4, group: 4 } ]"},
    {"waits", "[ rtn: { bits: 4, group: 8, axis_key: channel } ]"},
    {"selects", "[ q2c: { budget: 0.3 }, rtn: { bits: 8 } ]"},
    {"plans", "[ squeeze, q2c: { budget: 0.4 } ]"},
};

class RouterPipelines : public testing::TestWithParam<PipelineCase> {};

TEST_P(RouterPipelines, AnswersAreThoseOfOneProcess) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "p.yaml";
  std::ofstream(path) << "name: p\nstages: " << GetParam().stages << "\n";
  const TinyModel model(tiny_spec());
  ClusterConfig config = process_config(kOneOfEach);
  config.pipeline.name = path.string();
  config.pipeline.encode_threads = 2;
  ProcessCluster cluster(model, config);
  for (const std::int64_t prompt_tokens : {1, 17, 100, 300}) {
    auto request = request_of(prompt_tokens, 12, static_cast<std::uint64_t>(prompt_tokens));
    request.question_tokens = prompt_tokens / 5;
    auto stream = cluster.router().submit(request);
    ASSERT_TRUE(stream.has_value());
    const auto answer = collect(**stream);
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(*answer, local_answer(model, config, request)) << prompt_tokens;
    const RequestTimeline timeline = (*stream)->timeline();
    EXPECT_EQ(timeline.pipeline, "p");
    if (prompt_tokens == 300) {
      EXPECT_LT(timeline.kv_bytes_wire, timeline.kv_bytes_raw);
      const bool selects = std::string(GetParam().stages).find("q2c") != std::string::npos;
      EXPECT_EQ(timeline.kept_share < 0.6, selects) << timeline.kept_share;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Router, RouterPipelines, testing::ValuesIn(kPipelines),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Router, ARequestMayNameItsPipeline) {
  const TinyModel model(tiny_spec());
  const ClusterConfig config = process_config(kOneOfEach);
  ProcessCluster cluster(model, config);
  auto request = request_of(100, 12, 5);
  for (const char* name : {"int4", "raw", "int4"}) {
    request.pipeline = name;
    auto stream = cluster.router().submit(request);
    ASSERT_TRUE(stream.has_value());
    const auto answer = collect(**stream);
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(*answer, local_answer(model, config, request)) << name;
    EXPECT_EQ((*stream)->timeline().pipeline, name);
  }
  request.pipeline = "int5";
  auto stream = cluster.router().submit(request);
  ASSERT_TRUE(stream.has_value());
  const auto answer = collect(**stream);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kNotFound);
}

TEST(Router, ManyAtOnceOverTwoOfEachRole) {
  const TinyModel model(tiny_spec());
  const ClusterConfig config = process_config(kTwoOfEach);
  ProcessCluster cluster(model, config);
  std::vector<std::unique_ptr<GenerateStream>> streams;
  for (std::uint64_t i = 0; i < 40; ++i) {
    auto stream = cluster.router().submit(request_of(1 + static_cast<std::int64_t>(i) * 7, 9, i));
    ASSERT_TRUE(stream.has_value());
    streams.push_back(std::move(*stream));
  }
  for (std::uint64_t i = 0; i < streams.size(); ++i) {
    const auto answer = collect(*streams[i]);
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    const auto request = request_of(1 + static_cast<std::int64_t>(i) * 7, 9, i);
    EXPECT_EQ(*answer, local_answer(model, config, request)) << i;
  }
}

TEST(Router, AnEndTokenStopsAndIsTheLast) {
  const TinyModel model(tiny_spec());
  const ClusterConfig config = process_config(kOneOfEach);
  const auto request = request_of(20, 30, 5);
  const auto whole = local_answer(model, config, request);
  const std::vector<TokenId> end{whole[3]};
  ProcessCluster cluster(model, config, end);
  auto stream = cluster.router().submit(request);
  ASSERT_TRUE(stream.has_value());
  const auto answer = collect(**stream);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->back(), whole[3]);
  EXPECT_EQ(*answer, local_answer(model, config, request, end));
}

TEST(Router, OneTokenAnswersNeedNoDecoding) {
  const TinyModel model(tiny_spec());
  ProcessCluster cluster(model, process_config(kOneOfEach));
  auto stream = cluster.router().submit(request_of(40, 1, 1));
  ASSERT_TRUE(stream.has_value());
  EXPECT_EQ(collect(**stream).value().size(), 1U);
}

TEST(Router, TheTimelineAddsUp) {
  const TinyModel model(tiny_spec());
  ProcessCluster cluster(model, process_config(kOneOfEach));
  auto stream = cluster.router().submit(request_of(100, 5, 1));
  ASSERT_TRUE(stream.has_value());
  ASSERT_TRUE(collect(**stream).has_value());
  const RequestTimeline timeline = (*stream)->timeline();
  EXPECT_EQ(timeline.prompt_tokens, 100);
  EXPECT_EQ(timeline.output_tokens, 5);
  EXPECT_GT(timeline.prefill_us, 0);
  EXPECT_GT(timeline.handover_us, 0);
  EXPECT_GT(timeline.link_bytes_per_s, 0);
  EXPECT_EQ(timeline.kv_bytes_raw, 100U * 2 * 2 * 16 * 2);  // tokens, layers, K and V, width, BF16
  EXPECT_EQ(timeline.pipeline, "raw");
  EXPECT_GT(timeline.kv_bytes_wire, timeline.kv_bytes_raw);  // each frame has a header
  EXPECT_LT(timeline.kv_bytes_wire, timeline.kv_bytes_raw + 7 * 2 * 256);
  EXPECT_GT(timeline.encode_us, 0);
  EXPECT_GT(timeline.unpack_us, 0);
  EXPECT_LE(timeline.queue_us + timeline.prefill_us + timeline.encode_exposed_us +
                timeline.wire_us + timeline.decode_us,
            timeline.first_token_us);
  EXPECT_LE(timeline.first_token_us, timeline.total_us);
}

TEST(Router, CancelledAndDroppedRequestsLeaveNothingBehind) {
  const TinyModel model(tiny_spec());
  const ClusterConfig config = process_config(kOneOfEach);
  ProcessCluster cluster(model, config);
  for (std::uint64_t i = 0; i < 30; ++i) {
    auto stream = cluster.router().submit(request_of(200, 250, i));
    ASSERT_TRUE(stream.has_value());
    if (i % 3 == 0) continue;  // dropped at once
    if (i % 3 == 1) {
      ASSERT_TRUE((*stream)->next().has_value());
    }
    (*stream)->cancel();
    Result<std::vector<TokenId>> rest = collect(**stream);
    ASSERT_FALSE(rest.has_value());
    EXPECT_EQ(rest.error().code, ErrorCode::kCancelled);
  }
  // Memory for only a few requests of this size exists: these pass only if all came back.
  for (std::uint64_t i = 0; i < 4; ++i) {
    auto stream = cluster.router().submit(request_of(400, 100, i));
    ASSERT_TRUE(stream.has_value());
    EXPECT_EQ(collect(**stream).value().size(), 100U);
  }
}

TEST(Router, WhatCannotFitIsRefusedInWords) {
  const TinyModel model(tiny_spec());
  ClusterConfig config = process_config(kOneOfEach);
  config.decode.arena_memory_bytes = 256;  // less than a frame has: a slot is a ring
  ProcessCluster cluster(model, config);
  auto stream = cluster.router().submit(request_of(200, 5, 1));
  ASSERT_TRUE(stream.has_value());
  const auto answer = collect(**stream);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(answer.error().message.find("decode.arena_memory"), std::string::npos);
}

TEST(Router, StoppingEndsOpenRequestsAndRefusesNewOnes) {
  const TinyModel model(tiny_spec());
  ProcessCluster cluster(model, process_config(kOneOfEach));
  auto stream = cluster.router().submit(request_of(200, 300, 1));
  ASSERT_TRUE(stream.has_value());
  cluster.router().stop();
  EXPECT_FALSE(collect(**stream).has_value());
  EXPECT_FALSE(cluster.router().submit(request_of(5, 5, 1)).has_value());
}

TEST(Router, EverySubmissionEndsHoweverItRacesWithTheStop) {
  const TinyModel model(tiny_spec());
  for (int round = 0; round < 10; ++round) {
    ProcessCluster cluster(model, process_config(kOneOfEach));
    std::vector<std::thread> clients;
    std::atomic<int> accepted = 0;
    for (std::uint64_t client = 0; client < 3; ++client) {
      clients.emplace_back([&cluster, &accepted, client] {
        while (true) {
          auto stream = cluster.router().submit(request_of(10, 3, client));
          if (!stream.has_value()) return;
          ++accepted;
          (void)collect(**stream);  // an answer or an error: but it ends
        }
      });
    }
    while (accepted < 5) std::this_thread::yield();
    cluster.stop();
    for (std::thread& client : clients) client.join();
  }
}

TEST(Router, WorkersReportTheirMemory) {
  const TinyModel model(tiny_spec());
  ProcessCluster cluster(model, process_config(kTwoOfEach));
  cluster.stop();
  ASSERT_EQ(cluster.router().reports().size(), 4U);
  for (const WorkerReport& report : cluster.router().reports()) {
    EXPECT_GT(report.memory_peak_bytes, 0U);
  }
}

}  // namespace
}  // namespace sluice::runtime
