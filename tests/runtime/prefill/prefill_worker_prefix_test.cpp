// SPDX-License-Identifier: Apache-2.0
// What a prefill worker sends where the decode worker has a prompt's beginning.
#include <gmock/gmock.h>

#include "runtime/prefill/prefill_worker.hpp"
#include "tests/runtime/prefill/prefill_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::IsEmpty;
using testing::kDecodeNode;
using testing::kRouterNode;

constexpr std::int64_t kPromptTokens = 80;  // two blocks and a half

class PrefillWorkerPrefix : public testing::PrefillFixture {
 protected:
  PrefillWorkerPrefix() : PrefillFixture(kPromptTokens) {}

  WantMessage want_for(RequestId id, std::int64_t cached_tokens, std::int64_t tokens,
                       const std::string& pipeline = {}) {
    SubmitMessage message;
    message.request = id;
    message.decode_node = kDecodeNode;
    message.tokens_max = 3;
    message.pipeline = pipeline;
    message.decode_cached_tokens = cached_tokens;
    message.prompt.assign(static_cast<std::size_t>(tokens), 5);
    send(kRouterNode, MessageType::kSubmit, message);
    const WantMessage wanted = want(id);
    first_token = compute->jobs.at(id).plan.frames.front().first_token;
    // Makes room for the next one.
    send(kRouterNode, MessageType::kCancel, CancelMessage{id});
    run_for(1'000);
    compute->fail(id, ErrorCode::kCancelled, "over");
    (void)last_word();
    run_for(1'000);
    return wanted;
  }

  std::int64_t first_token = 0;  // of the frames of the last one
};

TEST_F(PrefillWorkerPrefix, FramesBeginWhereTheDecodeWorkersOwnEnd) {
  const WantMessage whole = want_for(1, 0, kPromptTokens);
  EXPECT_EQ(whole.cached_tokens, 0);
  EXPECT_EQ(first_token, 0);
  EXPECT_EQ(whole.blocks,
            block_hashes(std::vector<TokenId>(kPromptTokens, 5), 32, pipelines->pipeline_hash()));
  const WantMessage rest = want_for(2, 64, kPromptTokens);
  EXPECT_EQ(rest.cached_tokens, 64);
  EXPECT_EQ(first_token, 64);
  EXPECT_EQ(rest.blocks, whole.blocks);
  EXPECT_LT(rest.frame_bytes, whole.frame_bytes / 4);
}

TEST_F(PrefillWorkerPrefix, WholeBlocksAreLeftOutAndNeverTheLastToken) {
  EXPECT_EQ(want_for(1, 50, kPromptTokens).cached_tokens, 32);
  EXPECT_EQ(want_for(2, 64, 64).cached_tokens, 32);
  EXPECT_EQ(want_for(3, std::int64_t{1} << 62, 65).cached_tokens, 64);
  EXPECT_EQ(want_for(4, -64, kPromptTokens).cached_tokens, 0);
  EXPECT_EQ(want_for(5, 64, 20).cached_tokens, 0);
}

TEST_F(PrefillWorkerPrefix, KvOfOtherKindsHasOtherBlocksAndSomeHasNone) {
  const WantMessage raw = want_for(1, 0, kPromptTokens);
  const WantMessage int4 = want_for(2, 32, kPromptTokens, "int4");
  EXPECT_EQ(int4.cached_tokens, 32);
  EXPECT_NE(int4.blocks, raw.blocks);
  const WantMessage window = want_for(3, 32, kPromptTokens, "streaming");
  EXPECT_EQ(window.cached_tokens, 0);
  EXPECT_THAT(window.blocks, IsEmpty());
}

}  // namespace
}  // namespace sluice::runtime
