// SPDX-License-Identifier: Apache-2.0
// How deep a JSON text nests, found without building anything.
//
// The JSON library parses any depth, but copies and writes a value by recursion, and a stack ends
// after some ten thousand levels. So a text from outside is checked before it becomes a value.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice::runtime {

// Requests and tokenizer files nest less than ten levels.
inline constexpr std::size_t kJsonDepthMax = 64;

// Whether more than `depth_max` arrays and objects are open at once. One pass, no allocation. Text
// that is not JSON gets an answer too: exact up to the first place where a parser would stop.
bool json_is_deeper(std::string_view text, std::size_t depth_max = kJsonDepthMax);

}  // namespace sluice::runtime
