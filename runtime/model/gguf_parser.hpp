// SPDX-License-Identifier: Apache-2.0
// The header of a GGUF file, read from bytes that nobody vouches for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/core/tensor_view.hpp"
#include "runtime/model/gguf_file.hpp"

namespace sluice::runtime {

struct GgufTensor {
  std::uint32_t type = 0;          // as the file numbers it
  std::optional<TensorView> view;  // empty for a type that is not read here
};

struct GgufContents {
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::map<std::string, GgufTensor, std::less<>> tensors;
  std::vector<std::string> tensor_names;  // in the file's order
};

// `file`: the whole file; the tensor views point into it. `name` opens every error message. What
// is allocated is bounded by a small multiple of the file's size. kCorrupt, or kUnsupported for a
// version, byte order or nesting that is not read here.
Result<GgufContents> parse_gguf(Bytes file, std::string_view name);

}  // namespace sluice::runtime
