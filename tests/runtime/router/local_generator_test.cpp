// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/local_generator.hpp"

#include <gtest/gtest.h>

#include "tests/support/process_cluster.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

TEST(LocalGenerator, ChunksDoNotChangeTheAnswer) {
  const TinyModel model(tiny_spec());
  const auto pipelines = source_pipelines(model);
  std::vector<std::vector<TokenId>> answers;
  for (const std::int64_t chunk_tokens : {1, 7, 64, 512}) {
    ClusterConfig config = process_config({Role::kRouter, Role::kPrefill, Role::kDecode});
    config.prefill.chunk_tokens = chunk_tokens;
    auto generator = create_local_generator(model, config, *pipelines, {}, {});
    ASSERT_TRUE(generator.has_value()) << generator.error().message;
    GenerateRequest request;
    for (TokenId i = 0; i < 90; ++i) request.prompt.push_back(i * 5 % 97);
    request.tokens_max = 10;
    auto stream = (*generator)->submit(request);
    ASSERT_TRUE(stream.has_value());
    answers.push_back(collect(**stream).value());
    EXPECT_EQ((*stream)->timeline().output_tokens, 10);
  }
  for (const auto& answer : answers) EXPECT_EQ(answer, answers[0]);
}

TEST(LocalGenerator, BlocksComeBack) {
  const TinyModel model(tiny_spec());
  const auto pipelines = source_pipelines(model);
  ClusterConfig config = process_config({Role::kRouter, Role::kPrefill, Role::kDecode});
  config.decode.kv_memory_bytes = 128 * 200;  // 200 tokens: one request at a time
  auto generator = create_local_generator(model, config, *pipelines, {}, {});
  ASSERT_TRUE(generator.has_value());
  GenerateRequest request;
  request.prompt.assign(100, 3);
  request.tokens_max = 50;
  for (int i = 0; i < 3; ++i) {
    auto stream = (*generator)->submit(request);
    ASSERT_TRUE(stream.has_value()) << stream.error().message;
    EXPECT_FALSE((*generator)->submit(request).has_value());
    ASSERT_TRUE((*stream)->next().has_value());
  }
}

}  // namespace
}  // namespace sluice::runtime
