// SPDX-License-Identifier: Apache-2.0
// Prompts that begin alike, through a whole cluster: what is kept changes what is sent and
// computed, and no token.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "runtime/router/local_generator.hpp"
#include "tests/support/process_cluster.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

// The same 100 tokens, then others.
GenerateRequest request_of(std::int64_t prompt_tokens, std::uint64_t seed) {
  GenerateRequest request;
  std::mt19937_64 common(1);
  std::mt19937_64 own(seed);
  for (std::int64_t i = 0; i < prompt_tokens; ++i) {
    request.prompt.push_back(static_cast<TokenId>((i < 100 ? common() : own()) % 97));
  }
  request.tokens_max = 12;
  request.sampling = {.temperature = 1.0, .top_p = 1.0, .top_k = 0, .seed = seed};
  return request;
}

struct Answer {
  std::vector<TokenId> tokens;
  RequestTimeline timeline;
};
Answer answer_of(Generator& generator, const GenerateRequest& request) {
  auto stream = generator.submit(request);
  if (!stream) return {};
  auto tokens = collect(**stream);
  EXPECT_TRUE(tokens.has_value()) << tokens.error().message;
  return {tokens ? *tokens : std::vector<TokenId>(), (*stream)->timeline()};
}

class RouterPrefix : public ::testing::Test {
 protected:
  RouterPrefix() { config_.scheduler.prefix_block_tokens = 32; }

  std::vector<TokenId> expected(const GenerateRequest& request) const {
    const auto pipelines = source_pipelines(model_, config_.pipeline.name);
    auto local = create_local_generator(model_, config_, *pipelines, {}, {});
    return answer_of(**local, request).tokens;
  }

  const TinyModel model_{tiny_spec()};
  ClusterConfig config_ = process_config({Role::kRouter, Role::kPrefill, Role::kDecode});
};

TEST_F(RouterPrefix, OnlyWhatIsMissingIsSentAndNoTokenIsAnother) {
  ProcessCluster cluster(model_, config_);
  const auto first = request_of(130, 5);
  const Answer whole = answer_of(cluster.router(), first);
  EXPECT_EQ(whole.tokens, expected(first));
  EXPECT_EQ(whole.timeline.decode_cached_tokens, 0);
  const Answer again = answer_of(cluster.router(), first);
  EXPECT_EQ(again.tokens, whole.tokens);
  EXPECT_EQ(again.timeline.decode_cached_tokens, 128);
  EXPECT_LT(again.timeline.kv_bytes_wire * 10, whole.timeline.kv_bytes_wire);
  for (const std::uint64_t seed : {6, 7, 8}) {
    const auto other = request_of(150, seed);
    const Answer answer = answer_of(cluster.router(), other);
    EXPECT_EQ(answer.tokens, expected(other));
    EXPECT_EQ(answer.timeline.decode_cached_tokens, 96);
    EXPECT_LT(answer.timeline.kv_bytes_wire, whole.timeline.kv_bytes_wire);
  }
}

TEST_F(RouterPrefix, ManyAtOnceShareWhatIsThere) {
  ProcessCluster cluster(model_, config_);
  (void)answer_of(cluster.router(), request_of(110, 1));
  std::vector<std::unique_ptr<GenerateStream>> streams;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    auto stream = cluster.router().submit(request_of(120, seed));
    ASSERT_TRUE(stream.has_value());
    streams.push_back(std::move(*stream));
  }
  for (std::uint64_t seed = 0; seed < streams.size(); ++seed) {
    const auto tokens = collect(*streams[seed]);
    ASSERT_TRUE(tokens.has_value()) << tokens.error().message;
    EXPECT_EQ(*tokens, expected(request_of(120, seed))) << seed;
    EXPECT_EQ(streams[seed]->timeline().decode_cached_tokens, 96) << seed;
  }
}

// A worker whose memory is small loses what it has, and the router places anew.
TEST_F(RouterPrefix, WhatIsLostIsSentAgain) {
  config_.decode.kv_memory_bytes = kv_shape_of(model_.spec()).bytes_per_token() * 320;
  ProcessCluster cluster(model_, config_);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    auto request = request_of(130, 5);
    if (seed % 2 == 1) {  // another prompt of all that there is
      request = request_of(200, seed);
      std::rotate(request.prompt.begin(), request.prompt.begin() + 150, request.prompt.end());
      request.tokens_max = 100;
    }
    EXPECT_EQ(answer_of(cluster.router(), request).tokens, expected(request)) << seed;
  }
}

}  // namespace
}  // namespace sluice::runtime
