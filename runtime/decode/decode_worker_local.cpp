// SPDX-License-Identifier: Apache-2.0
// The decode worker's own prompts, and what it tells of itself.
#include <algorithm>
#include <utility>

#include "runtime/decode/decode_worker.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kWaitingMax = 4096;  // more than any router places on one worker
constexpr std::int64_t kTokensMax = std::int64_t{1} << 31;  // more than any answer has

std::int64_t tokens_of(const SubmitMessage& submit) {
  return static_cast<std::int64_t>(submit.prompt.size()) + submit.tokens_max;
}

}  // namespace

bool DecodeWorker::is_waiting(RequestId request) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [request](const Waiting& waiting) {
    return waiting.submit.request == request;
  });
}

Status DecodeWorker::check(const SubmitMessage& submit) const {
  if (submit.decode_node != cluster_.self) {
    return make_error(ErrorCode::kInternal, "the request names another decode worker");
  }
  if (submit.prompt.empty() || submit.tokens_max <= 0 || submit.tokens_max > kTokensMax) {
    return make_error(ErrorCode::kInvalidArgument, "a request has a prompt, and room to answer");
  }
  const bool are_known =
      std::all_of(submit.prompt.begin(), submit.prompt.end(),
                  [this](TokenId token) { return token >= 0 && token < options_.vocab; });
  if (!are_known) {
    return make_error(ErrorCode::kInvalidArgument, "the prompt has a token that is no token");
  }
  if (waiting_.size() >= kWaitingMax) {
    return make_error(ErrorCode::kResourceExhausted,
                      "too many prompts wait for the decode worker's memory");
  }
  return check_fits(tokens_of(submit));
}

void DecodeWorker::take_submit(Bytes payload) {
  auto submit = SubmitMessage::decode(payload);
  if (!submit) return;  // no request id to answer to
  const RequestId id = submit->request;
  if (early_cancels_.take(id)) return;
  if (running_.contains(id) || receiving_.contains(id) || is_waiting(id) || engine_.knows(id)) {
    return;  // what is here goes on
  }
  if (const Status checked = check(*submit); !checked) {
    return send_failed(cluster_.router, id, checked.error());
  }
  Waiting waiting{std::move(*submit), {}, now_us()};
  if (options_.prefix_salt) {
    if (const auto salt = options_.prefix_salt(waiting.submit.pipeline)) {
      waiting.hashes = block_hashes(waiting.submit.prompt, cache_->block_tokens(), *salt);
    }
  }
  waiting_.push_back(std::move(waiting));
}

void DecodeWorker::start_waiting() {
  while (!waiting_.empty() && start(waiting_.front())) waiting_.pop_front();
}

// False: not now, there are no pages.
bool DecodeWorker::start(const Waiting& waiting) {
  const SubmitMessage& submit = waiting.submit;
  const auto tokens = static_cast<std::int64_t>(submit.prompt.size());
  // The last token is computed in any case: the answer begins with what comes after it.
  auto place = cache_->open(waiting.hashes, tokens - 1, tokens_of(submit));
  if (!place) return false;
  RequestTimeline timeline;
  timeline.prompt_tokens = tokens;
  timeline.decode_cached_tokens = place->tokens;
  DecodeJob job;
  job.request = submit.request;
  job.sequence = std::move(*place);
  job.tokens_max = submit.tokens_max;
  job.ignore_end = submit.ignore_end;
  job.sampling = submit.sampling;
  job.prompt = submit.prompt;
  job.arrived_us = waiting.arrived_us;
  running_[submit.request] = {timeline};
  compute_->submit(std::move(job));
  return true;
}

void DecodeWorker::report() {
  if (const PrefixCache::Changes changes = cache_->take_changes(); !changes.empty()) {
    (void)send(cluster_.router, MessageType::kPrefixes,
               PrefixesMessage{changes.stored, changes.evicted});
  }
  std::int64_t coming = engine_.waiting_tokens();
  for (const Waiting& waiting : waiting_) {
    coming += kv_blocks_for(tokens_of(waiting.submit)) * kKvBlockTokens;
  }
  const std::int64_t free_tokens =
      std::max<std::int64_t>(0, cache_->available_blocks() * kKvBlockTokens - coming);
  const bool has_work = !receiving_.empty() || !running_.empty() || coming > 0;
  if (const auto status = status_.due(now_us(), has_work, free_tokens)) {
    (void)send(cluster_.router, MessageType::kStatus, *status);
  }
}

}  // namespace sluice::runtime
