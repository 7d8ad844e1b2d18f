// SPDX-License-Identifier: Apache-2.0
// The JSON bodies of the OpenAI-style endpoints, checked and turned into what a Generator takes.
//
// Nothing is ignored silently: a parameter that is not supported is kUnsupported, unless it is null
// or has the value that means "off". Every error is one sentence for the client's developer.
#pragma once

#include <string>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/request/generate.hpp"
#include "runtime/router/model_info.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

struct ApiRequest {
  GenerateRequest generate;
  std::vector<std::string> stops;  // the answer ends before the first of them; none is empty
  bool is_chat = false;
  bool stream = false;
  bool include_usage = false;         // a last chunk with the token counts
  bool include_usage_always = false;  // in every chunk
  bool timings = false;               // the last piece says where its time and bytes went
};

// kInvalidArgument, kUnsupported; kNotFound for another model's name. `random_seed` is used when
// the request names none.
Result<ApiRequest> parse_completion_request(const std::string& body, const Tokenizer& tokenizer,
                                            const ModelInfo& model, std::uint64_t random_seed);
Result<ApiRequest> parse_chat_request(const std::string& body, const Tokenizer& tokenizer,
                                      const ModelInfo& model, std::uint64_t random_seed);

// The body of /tokenize: "prompt" (text) or "messages", and "add_special_tokens".
Result<std::vector<TokenId>> parse_tokenize_request(const std::string& body,
                                                    const Tokenizer& tokenizer,
                                                    const ModelInfo& model);

}  // namespace sluice::runtime
