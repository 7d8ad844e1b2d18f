// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/json_reader.hpp"

#include <cstddef>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace sluice::runtime {
namespace {

// The deepest file read here (a config with nested RoPE parameters) has three levels.
constexpr std::size_t kDepthMax = 16;

// What nlohmann-json's SAX parser calls; a false return ends the parse.
class Handler {
 public:
  Handler(std::string_view name, const JsonVisitor& visit) : name_(name), visit_(visit) {}

  bool null() { return value(JsonNull{}); }
  bool boolean(bool flag) { return value(flag); }
  bool number_integer(std::int64_t number) { return value(number); }
  bool number_unsigned(std::uint64_t number) {
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return value(static_cast<double>(number));
    }
    return value(static_cast<std::int64_t>(number));
  }
  bool number_float(double number, const std::string& /*text*/) { return value(number); }
  bool string(std::string& text) { return value(std::move(text)); }
  bool binary(std::vector<std::uint8_t>& /*bytes*/) { return fail("holds binary data"); }

  bool start_object(std::size_t /*elements*/) { return value(JsonObject{}) && open(""); }
  bool key(std::string& text) {
    path_.back() = std::move(text);
    return true;
  }
  bool end_object() { return close(); }
  bool start_array(std::size_t /*elements*/) { return value(JsonArray{}) && open(kJsonElement); }
  bool end_array() { return close(); }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const std::exception& /*why*/) {
    return fail("is not valid JSON at byte " + std::to_string(position));
  }

  std::optional<Error> take_error() { return std::move(error_); }

 private:
  bool value(const JsonValue& found) {
    Status status = visit_(path_, found);
    if (status) return true;
    error_ = std::move(status).error();
    return false;
  }
  bool open(const char* inside) {
    if (path_.size() == kDepthMax) return fail("is JSON nested too deeply");
    path_.emplace_back(inside);
    return true;
  }
  bool close() {
    path_.pop_back();
    return true;
  }
  bool fail(const std::string& what) {
    error_ = make_error(ErrorCode::kCorrupt, std::string(name_) + ": " + what);
    return false;
  }

  std::string_view name_;
  const JsonVisitor& visit_;
  JsonPath path_;
  std::optional<Error> error_;
};

}  // namespace

Status read_json(Bytes text, std::string_view name, const JsonVisitor& visit) {
  Handler handler(name, visit);
  const auto* first = reinterpret_cast<const char*>(text.data());
  try {
    const bool is_whole = nlohmann::json::sax_parse(first, first + text.size(), &handler);
    if (auto error = handler.take_error()) return *std::move(error);
    if (is_whole) return {};
  } catch (const std::exception& why) {
    return make_error(ErrorCode::kCorrupt,
                      std::string(name) + ": is not valid JSON: " + why.what());
  }
  return make_error(ErrorCode::kCorrupt, std::string(name) + ": is not valid JSON");
}

}  // namespace sluice::runtime
