// SPDX-License-Identifier: Apache-2.0
// What the front must know of the model that is served.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

struct ModelInfo {
  std::string name;           // the id that clients give and get
  std::string chat_template;  // Jinja text or a family's name; empty: chat is not available
  std::int64_t context_tokens = 0;
  // Whether there is a pipeline of this name for the model, and a sentence if not. Any thread.
  // Empty: requests cannot choose one.
  std::function<Status(const std::string&)> check_pipeline = {};
};

}  // namespace sluice::runtime
