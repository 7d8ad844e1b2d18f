// SPDX-License-Identifier: Apache-2.0
// From logits to a token, repeatably: the same logits, options and position give the same token
// on every machine, so that a request can be replayed.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/request/generate.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

// In [0, 1), a function of its two arguments alone: no state to carry from token to token, nor
// from the worker that draws the first token to the one that draws the rest.
// Method: Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014, figure 17.
double uniform_at(std::uint64_t seed, std::uint64_t position);

// `logits`: one per token of the vocabulary, not empty; a NaN is never chosen while there is a
// number. `position` counts the answer's tokens from 0.
// Temperature 0 (or less): the largest logit, ties to the lowest id. Otherwise, in this order: the
// `top_k` largest (0: all), the softmax at the temperature, the fewest of the largest whose
// probabilities reach `top_p`, and a draw among them.
TokenId sample(std::span<const float> logits, const SamplingOptions& options,
               std::int64_t position);

}  // namespace sluice::runtime
