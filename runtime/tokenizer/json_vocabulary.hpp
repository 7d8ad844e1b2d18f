// SPDX-License-Identifier: Apache-2.0
// Reads a tokenizer from Hugging Face's tokenizer.json and the files beside it.
#pragma once

#include <filesystem>
#include <string_view>

#include "kernels/core/result.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

// The whole of `path`, at most `bytes_max` of it. kNotFound, kCorrupt (too large).
Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t bytes_max);

// kCorrupt for JSON that is not a tokenizer, kUnsupported for a kind we do not do.
Result<TokenizerData> read_json_vocabulary(std::string_view tokenizer_json);

// Adds to `data` what the files beside tokenizer.json say, each of which may be missing:
// tokenizer_config.json, generation_config.json and chat_template.jinja in `folder`.
Status read_json_settings(const std::filesystem::path& folder, TokenizerData& data);

}  // namespace sluice::runtime
