// SPDX-License-Identifier: Apache-2.0
// What a tokenizer does to the text before it cuts it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

// Bytes that are not UTF-8 stay as they are. Unicode forms are those of the utf8proc library.
std::string normalize(const std::vector<NormalizeStep>& steps, std::string_view text);

// Every occurrence of `pattern` (not empty), left to right, replaced.
std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content);

}  // namespace sluice::runtime
