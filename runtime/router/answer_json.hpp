// SPDX-License-Identifier: Apache-2.0
// Answers and errors as the JSON that OpenAI-style clients expect.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "kernels/core/result.hpp"
#include "runtime/router/answer.hpp"
#include "runtime/router/model_info.hpp"

namespace sluice::runtime {

struct AnswerHead {
  std::string id;
  std::int64_t created_s = 0;  // since 1970
  std::string model;
  bool is_chat = false;
};

struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
};

// The body of a whole answer. `timings`: a JSON object to go along, empty: none.
std::string answer_json(const AnswerHead& head, const AnswerPiece& answer, const Usage& usage,
                        const std::string& timings = {});

// One piece of a stream; the first of a chat also says who speaks.
std::string chunk_json(const AnswerHead& head, const AnswerPiece& piece, bool is_first,
                       const std::optional<Usage>& usage, const std::string& timings = {});

// The chunk without choices that ends a stream when the client asked for the usage.
std::string usage_json(const AnswerHead& head, const Usage& usage);

std::string models_json(const ModelInfo& model, std::int64_t created_s);
std::string tokens_json(std::span<const TokenId> tokens, const ModelInfo& model);

// The status for an error of ours, and the body that goes with it.
int http_status(ErrorCode code);
std::string error_json(int status, const Error& error);

}  // namespace sluice::runtime
