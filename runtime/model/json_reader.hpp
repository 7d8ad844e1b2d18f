// SPDX-License-Identifier: Apache-2.0
// JSON as a stream of values with their paths: a hostile text costs no memory beyond one value.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"

namespace sluice::runtime {

struct JsonObject {};  // an object begins; its members follow
struct JsonArray {};   // an array begins; its elements follow
struct JsonNull {};

// Whole numbers that fit are int64, all others double.
using JsonValue =
    std::variant<JsonObject, JsonArray, JsonNull, bool, std::int64_t, double, std::string>;

// The last part of the path of an array's elements.
inline constexpr const char* kJsonElement = "[]";

// The keys that lead to the value, kJsonElement for being inside an array.
using JsonPath = std::vector<std::string>;
using JsonVisitor = std::function<Status(const JsonPath& path, const JsonValue& value)>;

// Visits every value in order. `name` opens the message of an error in the text itself (kCorrupt,
// also for nesting deeper than any model file has); the visitor's own errors pass through.
Status read_json(Bytes text, std::string_view name, const JsonVisitor& visit);

}  // namespace sluice::runtime
