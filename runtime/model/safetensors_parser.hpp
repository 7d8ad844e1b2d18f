// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file, read from bytes that nobody vouches for.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/core/tensor_view.hpp"

namespace sluice::runtime {

// The format's own limit; real headers are a few hundred kilobytes at most.
inline constexpr std::size_t kSafetensorsHeaderBytesMax = 100'000'000;

struct SafetensorsTensor {
  std::string type;                // as the file names it: "BF16"
  std::optional<TensorView> view;  // empty for a type or rank that is not read here
};

using SafetensorsContents = std::map<std::string, SafetensorsTensor, std::less<>>;

// `file`: the whole file; the views point into it. `name` opens every error message. What is
// allocated is bounded by a small multiple of the header. kCorrupt, or kUnsupported for data that
// is not aligned to its elements (as the first writers of the format left it).
Result<SafetensorsContents> parse_safetensors(Bytes file, std::string_view name);

}  // namespace sluice::runtime
