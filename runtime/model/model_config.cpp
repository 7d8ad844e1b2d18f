// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/model_config.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/model/printable.hpp"

namespace sluice::runtime {
namespace {

std::string joined(const JsonPath& path) {
  std::string key;
  for (const auto& part : path) {
    if (!key.empty()) key += '.';
    key += part;
  }
  return key;
}

ModelConfig::Value config_value(const JsonValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return std::vector<std::string>{};
}

}  // namespace

Result<ModelConfig> ModelConfig::parse(Bytes text, std::string_view name) {
  ModelConfig config;
  config.name_ = std::string(name);
  const auto visit = [&](const JsonPath& path, const JsonValue& value) -> Status {
    if (path.empty()) {
      if (std::holds_alternative<JsonObject>(value)) return {};
      return make_error(ErrorCode::kCorrupt, config.name_ + ": is not a JSON object");
    }
    if (path.back() == kJsonElement) {
      config.add_element(joined({path.begin(), path.end() - 1}), value);
      return {};
    }
    // What objects in arrays hold is never looked up.
    if (std::find(path.begin(), path.end(), kJsonElement) != path.end()) return {};
    if (std::holds_alternative<JsonNull>(value)) config.nulls_.insert(joined(path));
    if (std::holds_alternative<JsonObject>(value) || std::holds_alternative<JsonNull>(value)) {
      return {};
    }
    const auto [place, is_new] = config.values_.emplace(joined(path), config_value(value));
    if (is_new) return {};
    return make_error(ErrorCode::kCorrupt,
                      config.name_ + ": the key " + printable(place->first) + " appears twice");
  };
  SLUICE_TRY(read_json(text, name, visit));
  return config;
}

void ModelConfig::add_element(const std::string& key, const JsonValue& value) {
  const auto found = values_.find(key);
  if (found == values_.end()) return;  // of an array in an array
  auto* list = std::get_if<std::vector<std::string>>(&found->second);
  const auto* text = std::get_if<std::string>(&value);
  if (list != nullptr && text != nullptr) list->push_back(*text);
}

const ModelConfig::Value* ModelConfig::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found != values_.end() ? &found->second : nullptr;
}

bool ModelConfig::has_object(std::string_view key) const {
  const std::string prefix = std::string(key) + ".";
  const auto found = values_.lower_bound(prefix);
  return found != values_.end() && found->first.starts_with(prefix);
}

Error ModelConfig::missing(std::string_view key) const {
  return make_error(ErrorCode::kNotFound, name_ + ": has no key " + printable(key));
}

Error ModelConfig::wrong_kind(std::string_view key, const char* wanted) const {
  return make_error(ErrorCode::kCorrupt,
                    name_ + ": the value of " + printable(key) + " is not " + wanted);
}

Result<std::int64_t> ModelConfig::integer(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  if (const auto* whole = std::get_if<std::int64_t>(value)) return *whole;
  // Some writers store 8192.0.
  constexpr double kExactMax = 9007199254740992.0;  // 2^53
  const auto* real = std::get_if<double>(value);
  if (real != nullptr && std::fabs(*real) <= kExactMax && std::trunc(*real) == *real) {
    return static_cast<std::int64_t>(*real);
  }
  return wrong_kind(key, "a whole number");
}

Result<double> ModelConfig::number(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  if (const auto* real = std::get_if<double>(value)) return *real;
  if (const auto* whole = std::get_if<std::int64_t>(value)) return static_cast<double>(*whole);
  return wrong_kind(key, "a number");
}

Result<bool> ModelConfig::boolean(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  return wrong_kind(key, "true or false");
}

Result<std::string> ModelConfig::text(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  if (const auto* string = std::get_if<std::string>(value)) return *string;
  return wrong_kind(key, "a string");
}

Result<std::int64_t> ModelConfig::integer_or(std::string_view key, std::int64_t fallback) const {
  return has(key) ? integer(key) : Result<std::int64_t>(fallback);
}

Result<double> ModelConfig::number_or(std::string_view key, double fallback) const {
  return has(key) ? number(key) : Result<double>(fallback);
}

Result<bool> ModelConfig::boolean_or(std::string_view key, bool fallback) const {
  return has(key) ? boolean(key) : Result<bool>(fallback);
}

Result<std::string> ModelConfig::text_or(std::string_view key, std::string fallback) const {
  return has(key) ? text(key) : Result<std::string>(std::move(fallback));
}

std::vector<std::string> ModelConfig::texts(std::string_view key) const {
  const Value* value = find(key);
  const auto* list = value != nullptr ? std::get_if<std::vector<std::string>>(value) : nullptr;
  return list != nullptr ? *list : std::vector<std::string>{};
}

}  // namespace sluice::runtime
