// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/yaml_scalar.hpp"

#include <charconv>
#include <system_error>
#include <utility>

#include "runtime/config/nearest_name.hpp"

namespace sluice::runtime {
namespace {

// As a person writes it: 0.05, not 0.050000.
std::string shortest(double number) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

}  // namespace

Error wrong_value(std::string what) {
  return make_error(ErrorCode::kInvalidArgument, std::move(what));
}

Result<std::string> scalar_text(const YamlNode& value) {
  if (value.kind == YamlKind::kNull) return wrong_value("has no value");
  if (value.kind != YamlKind::kScalar) {
    return wrong_value(std::string("must be a single value, not ") + yaml_kind_name(value.kind));
  }
  if (value.text.empty()) return wrong_value("must not be empty");
  return value.text;
}

Result<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, number);
  if (status != std::errc() || rest != end) {
    return wrong_value("must be a whole number, not " + in_quotes(text));
  }
  return number;
}

Result<std::int64_t> scalar_integer(const YamlNode& value, std::int64_t min, std::int64_t max) {
  const std::string written = SLUICE_TRY(scalar_text(value));
  const std::int64_t given = SLUICE_TRY(whole_number(written));
  if (given >= min && given <= max) return given;
  return wrong_value("must be from " + std::to_string(min) + " to " + std::to_string(max) +
                     ", not " + std::to_string(given));
}

Result<double> scalar_number(const YamlNode& value, double min, double max) {
  const std::string written = SLUICE_TRY(scalar_text(value));
  double given = 0;
  const char* const end = written.data() + written.size();
  const auto [rest, status] = std::from_chars(written.data(), end, given);
  if (status != std::errc() || rest != end) {
    return wrong_value("must be a number, not " + in_quotes(written));
  }
  if (given >= min && given <= max) return given;  // no NaN is
  return wrong_value("must be from " + shortest(min) + " to " + shortest(max) + ", not " +
                     in_quotes(written));
}

Result<bool> scalar_flag(const YamlNode& value) {
  const std::string written = SLUICE_TRY(scalar_text(value));
  if (written == "true" || written == "false") return written == "true";
  return wrong_value("must be true or false, not " + in_quotes(written));
}

}  // namespace sluice::runtime
