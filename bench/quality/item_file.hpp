// SPDX-License-Identifier: Apache-2.0
// What is asked: the lines that items.py writes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::bench {

struct Item {
  std::string task;
  std::string prompt;        // ends with the question
  std::string question;      // may be empty: not known
  std::string answer_start;  // given to the model; may be empty
  std::string answer;        // what is measured
};

// kNotFound; kInvalidArgument names the line that is not an item.
Result<std::vector<Item>> load_items(const std::filesystem::path& path);

}  // namespace sluice::bench
