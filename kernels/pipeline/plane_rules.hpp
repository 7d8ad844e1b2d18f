// SPDX-License-Identifier: Apache-2.0
// What holds for a plane's coding wherever it is done.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/result.hpp"
#include "kernels/stages/plane.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// A transform may widen rows (padding), but hostile bytes may not widen them without bound.
inline constexpr std::int64_t kWideningMax = 4;

// A quantizer's symbols of rows with so many columns, and its row_multiple().
bool is_consistent(const SymbolShape& shape, std::int64_t columns, std::int64_t multiple);

// A row of the plane, and a column of the plane's, in which a NaN or an infinity was found.
Error not_finite(const Plane& plane, std::int64_t column, std::int64_t row);

// kCorrupt.
Error wrong_symbols();
Error leftover_bytes();

}  // namespace sluice::kernels
