// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/calibration_text.hpp"

#include <algorithm>

namespace sluice::runtime {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
}

}  // namespace

Result<std::vector<Passage>> parse_passages(std::string_view text) {
  std::vector<Passage> passages;
  std::string before;  // the first marker
  std::string* part = &before;
  int number = 0;
  for (std::string_view left = text; !left.empty();) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    const std::string line = trimmed(std::string(left.substr(0, end)));
    ++number;
    if (line == "=== passage") {
      passages.emplace_back();
      part = &passages.back().text;
    } else if (line == "=== question" || line == "=== answer") {
      if (passages.empty() || trimmed(passages.back().text).empty()) {
        return make_error(ErrorCode::kInvalidArgument, "line " + std::to_string(number) + ": '" +
                                                           line + "' has no passage before it");
      }
      part = line == "=== question" ? &passages.back().question : &passages.back().answer;
    } else {
      part->append(left.substr(0, std::min(end + 1, left.size())));
    }
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  if (passages.empty()) passages.push_back({before, {}, {}});
  for (Passage& passage : passages) {
    passage = {trimmed(passage.text), trimmed(passage.question), trimmed(passage.answer)};
    if (passage.text.empty()) {
      return make_error(ErrorCode::kInvalidArgument, "a passage of the text is empty");
    }
  }
  return passages;
}

}  // namespace sluice::runtime
