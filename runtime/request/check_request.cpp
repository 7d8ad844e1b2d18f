// SPDX-License-Identifier: Apache-2.0
#include "runtime/request/check_request.hpp"

#include <algorithm>
#include <string>

namespace sluice::runtime {

Status check_request(const GenerateRequest& request, const RequestLimits& limits) {
  if (request.prompt.empty()) return make_error(ErrorCode::kInvalidArgument, "the prompt is empty");
  if (request.tokens_max <= 0) {
    return make_error(ErrorCode::kInvalidArgument, "the answer must have at least one token");
  }
  const auto unknown = std::find_if(request.prompt.begin(), request.prompt.end(),
                                    [&](TokenId id) { return id < 0 || id >= limits.vocab; });
  if (unknown != request.prompt.end()) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the prompt has the token id " + std::to_string(*unknown) +
                          ", and the model's vocabulary has " + std::to_string(limits.vocab));
  }
  const auto prompt = static_cast<std::int64_t>(request.prompt.size());
  if (request.question_tokens < 0 || request.question_tokens > prompt) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the question has " + std::to_string(request.question_tokens) +
                          " tokens and the prompt " + std::to_string(prompt));
  }
  if (request.tokens_max <= limits.context_tokens - prompt) return {};
  return make_error(ErrorCode::kInvalidArgument, "the prompt has " + std::to_string(prompt) +
                                                     " tokens and the answer may have " +
                                                     std::to_string(request.tokens_max) +
                                                     ": together more than the context of " +
                                                     std::to_string(limits.context_tokens));
}

}  // namespace sluice::runtime
