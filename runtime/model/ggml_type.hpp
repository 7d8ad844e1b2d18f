// SPDX-License-Identifier: Apache-2.0
// The element types that a GGUF file can name, and which of them are read here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/core/dtype.hpp"

namespace sluice::runtime {

// The type behind a GGUF type number; empty when it is one that is not read here.
std::optional<DType> dtype_from_ggml(std::uint32_t type);

// "Q4_1", or "type 77" for a number that has no name here.
std::string ggml_type_name(std::uint32_t type);

}  // namespace sluice::runtime
