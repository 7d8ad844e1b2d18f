// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/stop_text.hpp"

#include <algorithm>
#include <utility>

namespace sluice::runtime {

std::string StopText::push(std::string_view text) {
  if (is_matched_) return {};
  held_ += text;
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  std::size_t free_bytes = held_.size();
  if (first != std::string::npos) {
    is_matched_ = true;
    free_bytes = first;
  } else {
    for (const std::string& stop : stops_) {
      for (std::size_t bytes = std::min(stop.size() - 1, held_.size()); bytes > 0; --bytes) {
        if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, bytes))) {
          free_bytes = std::min(free_bytes, held_.size() - bytes);
          break;
        }
      }
    }
  }
  std::string free = held_.substr(0, free_bytes);
  held_ = is_matched_ ? std::string() : held_.substr(free_bytes);
  return free;
}

std::string StopText::finish() { return std::exchange(held_, {}); }

}  // namespace sluice::runtime
