// SPDX-License-Identifier: Apache-2.0
// What is asked of a policy, and what it answers: where a request goes, at which level, what that
// was expected to take, and what the alternatives would have cost.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace sluice::scheduler {

struct RequestShape {
  std::int64_t prompt_tokens = 0;
  std::int64_t output_tokens_max = 0;
  std::int64_t question_tokens = 0;  // at the prompt's end; 0: not known
  // The objective for the time to first token, of its class, and how much of it has gone already.
  double ttft_slo_s = std::numeric_limits<double>::infinity();
  double waited_s = 0.0;
  // The coarsest that its user accepts: KL divergence of a level, nats per token.
  double kl_max = std::numeric_limits<double>::infinity();
  // Its user named a pipeline: no other level may be chosen. -1: the choice is free.
  std::int32_t pinned_level = -1;
  bool is_pinned_elsewhere = false;  // to a pipeline that the level table has not
};

// Seconds, each on its own; `ttft_s` is the whole, in which they overlap.
struct Prediction {
  double queue_s = 0.0;  // before the prefill engine takes it
  double prefill_s = 0.0;
  double encode_s = 0.0;
  double wire_s = 0.0;
  double decode_s = 0.0;  // frames taken apart, and the first step
  double ttft_s = 0.0;    // from now on: what was waited is not in it
  double kl = 0.0;        // of the level
  double bytes = 0.0;
};

enum class Verdict : std::uint8_t {
  kPlace,  // prefill worker to decode worker
  kLocal,  // the decode worker prefills it itself; prefill_node is not set
  kWait,   // not now: ask again when something has changed
  kReject  // it cannot be served in time: say so now
};

// "place", "local", "wait", "reject".
std::string_view verdict_name(Verdict verdict);

struct Decision {
  std::uint32_t prefill_node = 0;
  std::uint32_t decode_node = 0;
  Verdict verdict = Verdict::kPlace;
  std::int32_t level = -1;  // in the snapshot's table; -1: the cluster's or the user's pipeline
  Prediction prediction = {};
  double retry_after_s = 0.0;  // of a rejection: when it would have been accepted
  // One short clause for the log, of a fixed set: "least loss within the objective".
  std::string_view reason = {};
};

// One way that was looked at. A policy may keep those it had no need to predict out.
struct Alternative {
  std::uint32_t prefill_node = 0;
  std::uint32_t decode_node = 0;
  Verdict verdict = Verdict::kPlace;
  std::int32_t level = -1;
  Prediction prediction = {};
};

}  // namespace sluice::scheduler
