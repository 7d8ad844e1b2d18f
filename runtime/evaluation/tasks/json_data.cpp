// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/json_data.hpp"

#include "runtime/evaluation/tasks/data_file.hpp"
#include "runtime/model/json_nesting.hpp"

namespace sluice::runtime {
namespace {

// Null when it is not there.
const Json* find_member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found != object.end() ? &*found : nullptr;
}

Error wrong_member(const std::string& where, const char* kind, const char* key) {
  return make_error(ErrorCode::kInvalidArgument,
                    where + " has no " + kind + " \"" + std::string(key) + "\"");
}

std::string member_name(const std::string& where, const char* key) {
  return where + ": \"" + key + "\"";
}

}  // namespace

Result<Json> parse_json_data(std::string_view text, const std::string& name) {
  if (json_is_deeper(text)) {
    return make_error(ErrorCode::kCorrupt, name + " nests deeper than a data set does");
  }
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return make_error(ErrorCode::kCorrupt,
                      name + " is not JSON at its byte " + std::to_string(error.byte));
  } catch (const Json::exception&) {  // a number out of range
    return make_error(ErrorCode::kCorrupt, name + " holds a value that cannot be read");
  }
}

Result<const Json*> array_member(const Json& object, const char* key, const std::string& where) {
  const Json* value = find_member(object, key);
  if (value == nullptr || !value->is_array()) return wrong_member(where, "array", key);
  return value;
}

Result<std::string> text_member(const Json& object, const char* key, const std::string& where) {
  const Json* value = find_member(object, key);
  if (value == nullptr || !value->is_string()) return wrong_member(where, "text", key);
  const auto& text = value->get_ref<const std::string&>();
  SLUICE_TRY(check_data_text(text, member_name(where, key)));
  return text;
}

Result<std::string> id_member(const Json& object, const char* key, const std::string& where) {
  auto id = SLUICE_TRY(text_member(object, key, where));
  SLUICE_TRY(check_item_id(id, member_name(where, key)));
  return id;
}

Result<std::vector<std::string>> texts_member(const Json& object, const char* key,
                                              const std::string& where) {
  const Json& array = *SLUICE_TRY(array_member(object, key, where));
  std::vector<std::string> texts;
  for (const Json& value : array) {
    if (!value.is_string()) {
      return make_error(ErrorCode::kInvalidArgument,
                        member_name(where, key) + " holds what is no text");
    }
    const auto& text = value.get_ref<const std::string&>();
    SLUICE_TRY(check_data_text(text, "a text of " + member_name(where, key)));
    texts.push_back(text);
  }
  if (texts.empty()) {
    return make_error(ErrorCode::kInvalidArgument, member_name(where, key) + " is empty");
  }
  return texts;
}

}  // namespace sluice::runtime
