// SPDX-License-Identifier: Apache-2.0
// When an answer ends.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/request/generate.hpp"

namespace sluice::runtime {

// How an answer goes on after its token number `produced` (counted from 1).
FinishReason finish_after(TokenId token, std::int64_t produced, std::int64_t tokens_max,
                          bool ignore_end, std::span<const TokenId> end_tokens);

}  // namespace sluice::runtime
