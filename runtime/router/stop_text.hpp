// SPDX-License-Identifier: Apache-2.0
// Finds stop strings in text that comes in pieces, and never lets part of one through.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::runtime {

class StopText {
 public:
  // None of `stops` is empty.
  explicit StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // What of the text so far can be let through: everything before the first stop string, or before
  // an end that may be the beginning of one. Nothing once is_matched().
  std::string push(std::string_view text);

  // The end of the text: what was held back.
  std::string finish();

  bool is_matched() const { return is_matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;  // shorter than the longest stop string
  bool is_matched_ = false;
};

}  // namespace sluice::runtime
