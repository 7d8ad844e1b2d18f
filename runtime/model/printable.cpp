// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/printable.hpp"

#include <cstddef>

namespace sluice::runtime {

std::string printable(std::string_view text) {
  // Longer than any tensor name or metadata key in use.
  constexpr std::size_t kCharactersMax = 80;
  std::string out = "'";
  for (const char character : text.substr(0, kCharactersMax)) {
    out += character >= ' ' && character <= '~' ? character : '?';
  }
  return out + (text.size() > kCharactersMax ? "...'" : "'");
}

}  // namespace sluice::runtime
