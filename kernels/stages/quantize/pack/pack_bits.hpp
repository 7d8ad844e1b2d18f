// SPDX-License-Identifier: Apache-2.0
// Symbols of 0 to 8 bits, one to a byte, packed without gaps and back.
//
// `symbols` is [rows][columns], each below 2^bits of its column. A packed row starts at a byte
// boundary; its columns follow each other from the least significant bit up, so that a symbol may
// straddle bytes. Unused bits of a row's last byte are 0 when written and not looked at when read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

std::size_t packed_bytes(const SymbolShape& shape, std::int64_t rows);

// Writes exactly packed_bytes(shape, rows).
void pack_symbols(const SymbolShape& shape, std::int64_t rows, const std::uint8_t* symbols,
                  std::byte* out);

// kCorrupt when `in` has not exactly packed_bytes(shape, rows). Symbols come out below 2^bits.
Status unpack_symbols(const SymbolShape& shape, std::int64_t rows, Bytes in, std::uint8_t* symbols);

}  // namespace sluice::kernels
