// SPDX-License-Identifier: Apache-2.0
// A stage's parameters: a table of what exists, and values checked against it.
//
// Values are FP32 numbers, so that a frame carries exactly what the encoder used. A choice is the
// index of its name; a list (of layers, of bits by level) is several numbers.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"

namespace sluice::kernels {

enum class ParameterKind : std::uint8_t { kNumber, kInteger, kBool, kChoice, kList };

// Append-only within a stage's version: a frame names a parameter by its index, and leaves out
// those that have their default.
struct ParameterRow {
  const char* name;
  ParameterKind kind;
  float fallback;  // the default; of a list: unused, the default is empty
  float least;
  float most;
  const char* choices = "";  // "token channel": names by index, for kChoice
  const char* summary = "";
};

// What YAML gives: a number, a bool, a word, or a list of numbers.
using ParameterValue = std::variant<double, bool, std::string, std::vector<double>>;
using ParameterMap = std::map<std::string, ParameterValue>;

class Parameters {
 public:
  // kInvalidArgument names the stage, the parameter, and what is allowed; an unknown name too.
  static Result<Parameters> parse(std::string_view stage, std::span<const ParameterRow> rows,
                                  const ParameterMap& values);

  // Frame form: u8 count, then per parameter that differs from its default u8 index, u8 numbers,
  // FP32 numbers. Reading is of hostile bytes: kCorrupt.
  void write(ByteWriter& writer) const;
  static Result<Parameters> read(std::string_view stage, std::span<const ParameterRow> rows,
                                 ByteReader& reader);

  // `name` must be in the table: a programmer's error otherwise.
  float number(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::int64_t choice(std::string_view name) const;
  std::span<const float> list(std::string_view name) const;

 private:
  std::size_t index_of(std::string_view name) const;

  std::span<const ParameterRow> rows_;
  std::vector<std::vector<float>> values_;  // by row
};

}  // namespace sluice::kernels
