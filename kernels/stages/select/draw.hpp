// SPDX-License-Identifier: Apache-2.0
// Random numbers by place: the same for a seed on every machine, in any order.
#pragma once

#include <cstdint>

namespace sluice::kernels {

// 64 bits for token `token` of head `head` of layer `layer`.
std::uint64_t draw_bits(std::uint64_t seed, std::int64_t layer, std::int64_t head,
                        std::int64_t token);

// ln(u) / weight for the u in (0, 1) that `bits` stand for: items in descending order of it are
// drawn without replacement in proportion to their weights (Efraimidis and Spirakis, Information
// Processing Letters 97, 2006). A weight of 0 or less comes last; a NaN stays one.
float race(std::uint64_t bits, float weight);

}  // namespace sluice::kernels
