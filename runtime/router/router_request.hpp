// SPDX-License-Identifier: Apache-2.0
// A user's request as the router sees it, from its submission to its last token.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "runtime/kv/prefix_cache.hpp"
#include "runtime/request/generate.hpp"
#include "runtime/router/token_stream.hpp"
#include "runtime/transfer/messages.hpp"
#include "scheduler/decision.hpp"

namespace sluice::runtime {

// How long a request waits for a worker that may come back when there is no other.
inline constexpr std::int64_t kPatienceUs = 10'000'000;

struct RouterRequest {
  std::shared_ptr<TokenStream> stream;
  GenerateRequest asked;  // its prompt only until a token has reached the user
  std::int32_t slo_class = 0;
  std::int64_t submitted_us = 0;
  bool is_queued = false;  // for its first placement: the admission queue says when
  std::int64_t waiting_since_us = 0;
  std::int64_t held_until_us = 0;  // not placed before, if there is anybody to place it on
  bool wait_was_told = false;      // to on_decision

  scheduler::Decision decision;  // where it was placed; local: the decode worker as both nodes
  RequestId attempt = 0;         // what the workers call it; 0: on none now
  std::int64_t attempts = 0;
  std::set<comm::NodeId> avoid;    // who could not be reached for it, or was late
  std::set<comm::NodeId> suspect;  // where its bytes were wrong: others first, if there are any
  std::int64_t placed_us = 0;
  std::int64_t predicted_us = 0;  // of the first token, since its submission; 0: not predicted
  // What its prefill worker is thought to do with it, and when; an end of 0: until a token comes.
  std::int64_t prefill_tokens = 0;
  std::int64_t prefill_start_us = 0;
  std::int64_t prefill_end_us = 0;
  std::int64_t decode_cached_tokens = 0;

  std::int64_t prompt_tokens = 0;
  std::int64_t tokens_left = 0;
  bool prefilled = false;
  std::int64_t next_index = 0;
  std::map<std::int64_t, TokenMessage> early;  // tokens that overtook another

  // The prompt's blocks by their salt, made when somebody may hold some of them.
  std::map<std::uint64_t, std::vector<PrefixHash>> blocks;

  bool is_local() const { return decision.verdict == scheduler::Verdict::kLocal; }
};

}  // namespace sluice::runtime
