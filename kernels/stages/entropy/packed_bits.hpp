// SPDX-License-Identifier: Apache-2.0
// Symbols as plain bits, one after another: what is sent when coding does not pay.
#pragma once

#include <cstdint>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/entropy/symbol_groups.hpp"

namespace sluice::kernels {

// Row after row, column after column, lowest bits first, no padding but at the end.
// `packed`: packed_bytes(rows) of them.
void pack_bits(const SymbolGroups& groups, std::int64_t rows, const std::uint8_t* symbols,
               MutableBytes packed);

// kCorrupt: not packed_bytes(rows) bytes, or padding that is not 0. Columns of 0 bits become 0.
Status unpack_bits(const SymbolGroups& groups, std::int64_t rows, Bytes packed,
                   std::uint8_t* symbols);

}  // namespace sluice::kernels
