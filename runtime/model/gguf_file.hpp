// SPDX-License-Identifier: Apache-2.0
// A GGUF file (version 2 and 3, little-endian), memory-mapped, every offset and size checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/model/tensor_source.hpp"

namespace sluice::runtime {

// Metadata as the file has it, integers widened to 64 bits and arrays by element kind.
using GgufValue =
    std::variant<std::uint64_t, std::int64_t, double, bool, std::string, std::vector<std::int64_t>,
                 std::vector<double>, std::vector<std::string>>;

// As a TensorSource: shapes are row-major here, the file's order of dimensions is reversed.
class GgufFile : public TensorSource {
 public:
  static Result<std::unique_ptr<GgufFile>> open(const std::filesystem::path& path);

  // Null when the key is not there.
  virtual const GgufValue* find(std::string_view key) const = 0;

  // kNotFound or kCorrupt (wrong kind) with the key in the message. Integers convert when they fit.
  virtual Result<std::int64_t> integer(std::string_view key) const = 0;
  virtual Result<double> number(std::string_view key) const = 0;
  virtual Result<std::string> text(std::string_view key) const = 0;
};

}  // namespace sluice::runtime
