// SPDX-License-Identifier: Apache-2.0
// The config.json of a Hugging Face folder, as typed look-ups that never guess.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "runtime/model/json_reader.hpp"

namespace sluice::runtime {

class ModelConfig {
 public:
  // Arrays hold their strings; those of other things hold nothing.
  using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

  // `name` opens every error message. kCorrupt when it is not a JSON object, or a key comes twice.
  static Result<ModelConfig> parse(Bytes text, std::string_view name);

  // Keys of nested objects are joined by a dot: "rope_scaling.factor". A null is like no key.
  bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
  // Whether the key is there as a null: some defaults are for its absence alone.
  bool is_null(std::string_view key) const { return nulls_.find(key) != nulls_.end(); }
  // Whether any key lies inside the object `key`.
  bool has_object(std::string_view key) const;

  // kNotFound without the key, kCorrupt for the wrong kind.
  Result<std::int64_t> integer(std::string_view key) const;
  Result<double> number(std::string_view key) const;
  Result<bool> boolean(std::string_view key) const;
  Result<std::string> text(std::string_view key) const;

  // The fallback only when the key is missing (or null).
  Result<std::int64_t> integer_or(std::string_view key, std::int64_t fallback) const;
  Result<double> number_or(std::string_view key, double fallback) const;
  Result<bool> boolean_or(std::string_view key, bool fallback) const;
  Result<std::string> text_or(std::string_view key, std::string fallback) const;

  // The strings of an array; empty without the key or for another kind.
  std::vector<std::string> texts(std::string_view key) const;

  const std::string& name() const { return name_; }

 private:
  void add_element(const std::string& key, const JsonValue& value);
  const Value* find(std::string_view key) const;
  Error missing(std::string_view key) const;
  Error wrong_kind(std::string_view key, const char* wanted) const;

  std::string name_;
  std::map<std::string, Value, std::less<>> values_;
  std::set<std::string, std::less<>> nulls_;
};

}  // namespace sluice::runtime
