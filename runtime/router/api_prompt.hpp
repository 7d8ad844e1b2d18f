// SPDX-License-Identifier: Apache-2.0
// The prompt of a request, in each form that clients send, as token ids.
// Private to the sources beside it: it names the JSON library.
#pragma once

#include <vector>

#include "runtime/router/api_body.hpp"
#include "runtime/router/model_info.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

// kInvalidArgument for a text that is too long for the model's context however it is tokenized.
// Tokenizing it first would cost seconds.
Status check_prompt_bytes(const std::string& text, const Tokenizer& tokenizer,
                          const ModelInfo& model);

// "prompt": text, a list of ids, or a list of exactly one of these.
Result<std::vector<TokenId>> read_prompt(ApiBody& body, const Tokenizer& tokenizer,
                                         const ModelInfo& model, bool add_special);

// "messages": content as text or as a list of text parts; rendered by the model's template.
Result<std::vector<TokenId>> read_messages(ApiBody& body, const Tokenizer& tokenizer,
                                           const ModelInfo& model);

}  // namespace sluice::runtime
