// SPDX-License-Identifier: Apache-2.0
// Rows from FP32 or BF16 to FP32 or BF16, rounded to nearest, ties to even.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/elementwise/rows.hpp"

namespace sluice::kernels {

void convert_rows(std::int64_t rows, std::int64_t width, ConstRows from, Rows to);

// Row i of `to` is row ids[i] of `table`: the embedding of a token. Ids must be rows of the table.
void gather_rows(std::span<const std::int32_t> ids, std::int64_t width, ConstRows table, Rows to);

}  // namespace sluice::kernels
