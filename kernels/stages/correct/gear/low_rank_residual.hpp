// SPDX-License-Identifier: Apache-2.0
// A residual at low rank: a few directions, and every row's share of them, in BF16.
//
// Bytes: u8 rank, the directions [rank][columns], the shares [rows][rank].
#pragma once

#include <cstdint>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

// The largest rank that the bytes can say.
inline constexpr std::int64_t kResidualRankMax = 255;

// By power iteration from a fixed start (GEAR's algorithm 2, after PowerSGD, arXiv 1905.13727). The
// rank is also no larger than rows and columns are.
void write_low_rank(ConstMatrix residual, std::int64_t rank, std::int64_t iterations,
                    ByteWriter& out);

// Adds it to `rows`. kCorrupt: a rank that cannot be, or bytes missing.
Status add_low_rank(ByteReader& in, Matrix rows);

}  // namespace sluice::kernels
