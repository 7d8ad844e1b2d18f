// SPDX-License-Identifier: Apache-2.0
// Texts of a model's own, to calibrate with: more of what it says than comes along as text.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/engine/engine.hpp"

namespace sluice::runtime {

struct OwnTextOptions {
  std::int64_t tokens = 512;  // to add to each beginning
  std::uint64_t seed = 0;     // text i is drawn with seed + i
  // Tokens that are never drawn: where an answer would end.
  std::span<const TokenId> never = {};
  std::function<void(std::int64_t done)> progress = {};  // of the tokens to add; may be empty
};

// Each beginning with what the model goes on with, drawn at temperature 1. All texts go on
// together; what one says does not depend on the others. Beginnings are not empty, and leave room
// in the model's context.
Result<std::vector<std::vector<TokenId>>> own_texts(
    std::span<const std::vector<TokenId>> beginnings, PrefillEngine& prefill, DecodeEngine& decode,
    const OwnTextOptions& options);

}  // namespace sluice::runtime
