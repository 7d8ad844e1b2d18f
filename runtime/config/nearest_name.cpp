// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/nearest_name.hpp"

#include <algorithm>
#include <vector>

namespace sluice::runtime {
namespace {

// Longer names are not typing mistakes of ours, and the distance is quadratic.
constexpr std::size_t kNameBytesMax = 64;

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return lower;
}

}  // namespace

std::string in_quotes(std::string_view name) {
  std::string text(1, '"');
  text.append(name).push_back('"');
  return text;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replace, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names) {
  if (name.size() > kNameBytesMax) return {};
  const std::string wanted = lower_case(name);
  std::string_view nearest;
  // A short name may have one mistake, a longer one a mistake in every three letters.
  std::size_t limit = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string_view candidate : names) {
    const std::size_t distance = edit_distance(wanted, lower_case(candidate));
    // One letter in place of another one-letter name says nothing.
    if (distance < limit && distance < candidate.size()) {
      limit = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string suggest_name(std::string_view name, std::span<const std::string_view> names) {
  if (const std::string_view nearest = nearest_name(name, names); !nearest.empty()) {
    return std::string("did you mean ").append(in_quotes(nearest)).append("?");
  }
  std::string text = names.size() == 1 ? "valid is only " : "valid are ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i != 0) text += i + 1 == names.size() ? " and " : ", ";
    text += in_quotes(names[i]);
  }
  return text;
}

}  // namespace sluice::runtime
