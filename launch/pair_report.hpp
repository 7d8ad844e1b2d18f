// SPDX-License-Identifier: Apache-2.0
// How A's process hands its report to the process that started it: text, then a last line.
#pragma once

#include <string>

namespace sluice::launch {

struct PairReport {
  std::string text = {};
  int status = 1;
  bool is_whole = false;  // the last line is there
};

// `text` with the last line that carries `status`.
std::string seal_pair_report(const std::string& text, int status);
PairReport split_pair_report(const std::string& output);

}  // namespace sluice::launch
