// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/want_check.hpp"

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/kv/kv_pool.hpp"
#include "runtime/transfer/arena.hpp"
#include "runtime/transfer/cell_cover.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int32_t kWritersMax = 64;                    // of one request
constexpr std::int64_t kTokensMax = std::int64_t{1} << 31;  // more than any prompt has

Error bad(std::string why) { return make_error(ErrorCode::kInvalidArgument, std::move(why)); }

std::int64_t cells(const CacheRange& range) {
  return std::int64_t{range.layer_count} * range.head_count;
}

// As far as it is known here: how many tokens a block has, the receiver knows.
bool has_sound_blocks(const WantMessage& want) {
  if (want.cached_tokens < 0 || want.cached_tokens >= want.prompt_tokens ||
      want.cached_tokens % kKvBlockTokens != 0) {
    return false;
  }
  const auto blocks_max = static_cast<std::size_t>(want.prompt_tokens / kKvBlockTokens);
  return want.blocks.size() <= blocks_max && (want.cached_tokens == 0 || !want.blocks.empty());
}

}  // namespace

Status check_want(const WantMessage& want, const CacheRange& whole, std::size_t arena_bytes) {
  if (want.prompt_tokens <= 0 || want.prompt_tokens > kTokensMax || want.tokens_max <= 0 ||
      want.tokens_max > kTokensMax || want.frame_bytes_largest == 0 ||
      want.frame_bytes < want.frame_bytes_largest || want.writers < 1 ||
      want.writers > kWritersMax) {
    return bad("the prefill worker asked for a slot that cannot be");
  }
  if (!has_sound_blocks(want)) {
    return bad("the prefill worker speaks of blocks that the prompt cannot have");
  }
  if (!is_sound(want.range) || !contains(whole, want.range)) {
    return bad("the prefill worker would send a part of the cache that is not kept here");
  }
  if (want.frame_bytes_largest > arena_bytes / Arena::kAlignmentBytes * Arena::kAlignmentBytes) {
    return bad("a frame of the prompt's KV has up to " + std::to_string(want.frame_bytes_largest) +
               " bytes, more than decode.arena_memory (" + std::to_string(arena_bytes) + ")");
  }
  return {};
}

Status check_together(const WantMessage& want, const std::vector<const WantMessage*>& others,
                      const CacheRange& whole) {
  std::int64_t have = cells(want.range);
  for (const WantMessage* other : others) {
    have += cells(other->range);
    if (overlap(other->range, want.range)) {
      return bad("two prefill workers would send the same part of the cache");
    }
    if (want.prompt_tokens != other->prompt_tokens || want.tokens_max != other->tokens_max ||
        want.writers != other->writers || want.cached_tokens != other->cached_tokens ||
        want.blocks != other->blocks) {
      return bad("the prefill workers of a request do not agree on it");
    }
  }
  const bool is_last = others.size() + 1 == static_cast<std::size_t>(want.writers);
  if (is_last && have != cells(whole)) {
    return bad("the prefill workers of a request would not send the whole cache");
  }
  return {};
}

}  // namespace sluice::runtime
