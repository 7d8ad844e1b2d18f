// SPDX-License-Identifier: Apache-2.0
// A basis found from the rows that are sent, and sent with them: of svd and xkv.
//
// Side bytes of a block: u16 rank, then the right singular vectors in BF16, [rank][columns]. A rank
// as large as the block has columns means that they are sent as they are, without vectors.
#pragma once

#include <cstdint>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/matrix.hpp"
#include "kernels/stages/transform/linear_algebra/projection.hpp"

namespace sluice::kernels {

// Columns of a block at most: ranks are written in 16 bits.
inline constexpr std::int64_t kBasisColumnsMax = 65535;

// The block's rows projected on their `rank` strongest directions, as far as there are that many
// rows and columns. The rounded vectors are not quite orthonormal: the projection accounts for it.
LinearBlock write_singular_basis(ConstMatrix rows, std::int64_t rank, ByteWriter& side);

// `columns`: of the block. kCorrupt: a rank that cannot be, vectors missing or not finite.
Result<LinearBlock> read_singular_basis(std::int64_t columns, ByteReader& side);

}  // namespace sluice::kernels
