// SPDX-License-Identifier: Apache-2.0
// What every generator refuses before it starts.
#pragma once

#include <cstdint>

#include "runtime/request/generate.hpp"

namespace sluice::runtime {

struct RequestLimits {
  std::int64_t context_tokens = 0;  // prompt and answer together
  std::int64_t vocab = 0;           // token ids are below
};

// kInvalidArgument: empty prompt, no answer asked for, an id that is no token, a
// question longer than the prompt, or prompt and answer together over the context.
Status check_request(const GenerateRequest& request, const RequestLimits& limits);

}  // namespace sluice::runtime
