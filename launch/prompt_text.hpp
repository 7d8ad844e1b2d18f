// SPDX-License-Identifier: Apache-2.0
// A prompt from a file to tokens.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"
#include "launch/rank.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::launch {

// kNotFound: it cannot be read.
Result<std::string> read_text(const std::filesystem::path& path);

// As read_text; kInvalidArgument: nothing but blanks, or not UTF-8.
Result<std::string> read_prompt(const std::filesystem::path& path);

// As one user message in the model's chat template, or with `raw` as it is.
Result<std::vector<runtime::TokenId>> encode_prompt(const LoadedModel& model,
                                                    const std::string& text, bool raw);

}  // namespace sluice::launch
