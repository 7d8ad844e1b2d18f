// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/finish_after.hpp"

#include <algorithm>

namespace sluice::runtime {

FinishReason finish_after(TokenId token, std::int64_t produced, std::int64_t tokens_max,
                          bool ignore_end, std::span<const TokenId> end_tokens) {
  const bool is_end = std::find(end_tokens.begin(), end_tokens.end(), token) != end_tokens.end();
  if (is_end && !ignore_end) return FinishReason::kStop;
  return produced >= tokens_max ? FinishReason::kLength : FinishReason::kNone;
}

}  // namespace sluice::runtime
