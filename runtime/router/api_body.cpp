// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/api_body.hpp"

#include <limits>

#include "runtime/model/json_nesting.hpp"
#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {

Error bad_request(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, std::move(message));
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kBytesMax = 200;
  if (text.size() <= kBytesMax) return text;
  const std::string_view start = std::string_view(text).substr(0, kBytesMax);
  return std::string(start.substr(0, kBytesMax - utf8_unfinished_bytes(start))) + "...";
}

Result<ApiBody> ApiBody::parse(const std::string& body) {
  if (utf8_valid_run_bytes(body, 0) != body.size()) {
    return bad_request("the request body is not valid UTF-8");
  }
  if (json_is_deeper(body)) {
    return bad_request("the request body nests deeper than " + std::to_string(kJsonDepthMax) +
                       " levels");
  }
  try {
    Json object = Json::parse(body);
    if (!object.is_object()) return bad_request("the request body must be a JSON object");
    return ApiBody(std::move(object), "");
  } catch (const Json::exception& exception) {
    // The library's text begins with its own error number in brackets.
    const std::string text = exception.what();
    const auto bracket = text.find("] ");
    return bad_request("the request body is not valid JSON: " +
                       shortened(bracket == std::string::npos ? text : text.substr(bracket + 2)));
  }
}

Error ApiBody::wrong(const std::string& key, const std::string& what) const {
  std::string message(1, '"');
  return bad_request(message.append(name_).append(shortened(key)).append("\" ").append(what));
}

const Json* ApiBody::find(const std::string& key) {
  read_.insert(key);
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

Result<std::optional<std::string>> ApiBody::text(const std::string& key) {
  const Json* const value = find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return wrong(key, "must be a string");
  return std::optional(value->get<std::string>());
}

Result<bool> ApiBody::flag(const std::string& key, bool otherwise) {
  const Json* const value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) return wrong(key, "must be true or false");
  return value->get<bool>();
}

Result<std::optional<std::int64_t>> ApiBody::integer(const std::string& key, std::int64_t min,
                                                     std::int64_t max) {
  const Json* const value = find(key);
  if (value == nullptr) return std::optional<std::int64_t>();
  if (!value->is_number_integer()) return wrong(key, "must be a whole number");
  const bool is_huge =
      value->is_number_unsigned() &&
      value->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  const auto given =
      is_huge ? std::numeric_limits<std::int64_t>::max() : value->get<std::int64_t>();
  if (is_huge || given < min || given > max) {
    return wrong(key, "must be from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return std::optional(given);
}

Result<double> ApiBody::number(const std::string& key, double otherwise, double min, double max) {
  const Json* const value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_number()) return wrong(key, "must be a number");
  const double given = value->get<double>();
  if (!(given >= min && given <= max)) {
    return wrong(key, "must be from " + Json(min).dump() + " to " + Json(max).dump());
  }
  return given;
}

Status ApiBody::only(const std::string& key, const std::vector<Json>& values) {
  const Json* const value = find(key);
  if (value == nullptr) return {};
  for (const Json& valid : values) {
    if (*value == valid) return {};
  }
  Error error = wrong(key, values.empty() ? "is not supported"
                                          : "is not supported, except as " + values.front().dump());
  error.code = ErrorCode::kUnsupported;
  return error;
}

void ApiBody::ignore(const std::vector<std::string>& keys) {
  read_.insert(keys.begin(), keys.end());
}

Status ApiBody::end() const {
  for (const auto& [key, value] : object_.items()) {
    if (read_.count(key) != 0 || value.is_null()) continue;
    Error error = wrong(key, "is not a parameter of this endpoint");
    error.code = ErrorCode::kUnsupported;
    return error;
  }
  return {};
}

}  // namespace sluice::runtime
