// SPDX-License-Identifier: Apache-2.0
// The largest entries of a matrix, by place and value.
//
// Bytes: u32 entries, u32 bytes of gaps, the gaps, the values in BF16. A gap is the number of
// entries left out since the last one (row by row), in bytes of 255 and then one below 255.
#pragma once

#include <cstdint>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

// Writes the `count` entries of largest magnitude, of equal ones the first, and takes from `rows`
// what was written, rounding and all. `count` is at most the number of entries.
void take_sparse_entries(Matrix rows, std::int64_t count, ByteWriter& out);

// Adds them to `rows`. kCorrupt: a place outside, or bytes missing; `rows` is then undefined.
Status add_sparse_entries(ByteReader& in, Matrix rows);

}  // namespace sluice::kernels
