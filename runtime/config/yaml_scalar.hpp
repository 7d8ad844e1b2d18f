// SPDX-License-Identifier: Apache-2.0
// Single values of a YAML tree. What is wrong is said in words that follow the key's name: "must be
// a whole number, not "two"".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/core/result.hpp"
#include "runtime/config/yaml_document.hpp"

namespace sluice::runtime {

// kInvalidArgument.
Error wrong_value(std::string what);

// Not empty.
Result<std::string> scalar_text(const YamlNode& value);

Result<std::int64_t> whole_number(std::string_view text);

// From `min` to `max`, both included.
Result<std::int64_t> scalar_integer(const YamlNode& value, std::int64_t min, std::int64_t max);
Result<double> scalar_number(const YamlNode& value, double min, double max);

// true or false.
Result<bool> scalar_flag(const YamlNode& value);

}  // namespace sluice::runtime
