// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/json_nesting.hpp"

namespace sluice::runtime {

bool json_is_deeper(std::string_view text, std::size_t depth_max) {
  std::size_t depth = 0;
  bool is_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char character = text[at];
    if (is_string) {
      if (character == '\\') ++at;  // an escaped quote ends nothing
      is_string = character != '"';
    } else if (character == '"') {
      is_string = true;
    } else if (character == '[' || character == '{') {
      if (++depth > depth_max) return true;
    } else if ((character == ']' || character == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace sluice::runtime
