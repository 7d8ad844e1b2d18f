// SPDX-License-Identifier: Apache-2.0
// What the front must know of the model that is served.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::runtime {

struct ModelInfo {
  std::string name;           // the id that clients give and get
  std::string chat_template;  // Jinja text or a family's name; empty: chat is not available
  std::int64_t context_tokens = 0;
};

}  // namespace sluice::runtime
