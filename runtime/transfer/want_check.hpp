// SPDX-License-Identifier: Apache-2.0
// Whether what a writer asks for can be: before anything is taken for it.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// kInvalidArgument, in a sentence for a person: it can never be served. `whole`: what the receiver
// holds of the cache.
Status check_want(const WantMessage& want, const CacheRange& whole, std::size_t arena_bytes);

// Whether it fits to those of the same request that are known: the writers agree, none sends what
// another does, and all of them send the whole. `want` and `others` passed check_want().
Status check_together(const WantMessage& want, const std::vector<const WantMessage*>& others,
                      const CacheRange& whole);

}  // namespace sluice::runtime
